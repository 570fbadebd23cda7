//! Plots as SVG, readable on light and on dark paper.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

const SIZE: (u32, u32) = (960, 420);
const PAPER: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(31, 35, 40);
const GRID: RGBColor = RGBColor(209, 217, 224);
/// The colours of light paper change where the reader's screen is dark; those of data are told apart on both.
const STYLE: &str = "<style>text{font-family:system-ui,sans-serif}\
@media (prefers-color-scheme:dark){\
[fill=\"#FFFFFF\"]{fill:#0d1117}[stroke=\"#FFFFFF\"]{stroke:#0d1117}\
[fill=\"#1F2328\"]{fill:#e6edf3}[stroke=\"#1F2328\"]{stroke:#e6edf3}\
[stroke=\"#D1D9E0\"]{stroke:#30363d}}</style>";
/// Colours of data, for the first, the second and so on.
pub const COLOURS: [RGBColor; 6] = [
    RGBColor(9, 132, 227),
    RGBColor(225, 112, 85),
    RGBColor(0, 160, 130),
    RGBColor(165, 105, 189),
    RGBColor(200, 150, 20),
    RGBColor(130, 140, 150),
];

/// Numbers of one kind.
pub struct Series {
    /// In the legend.
    pub name: String,
    /// One for each group of bars; none where nothing was measured.
    pub values: Vec<Option<f64>>,
}

/// Bars in groups.
pub struct Bars {
    /// Above the plot.
    pub title: String,
    /// Of the values.
    pub unit: &'static str,
    /// Below the groups; a line break makes two lines.
    pub groups: Vec<String>,
    /// Side by side in each group, or one on the other.
    pub series: Vec<Series>,
    /// One on the other.
    pub stacked: bool,
    /// A line across each group: what has to be reached.
    pub mark: Option<Series>,
}

/// A line.
pub struct Curve {
    /// In the legend.
    pub name: String,
    /// Where it goes through.
    pub points: Vec<(f64, f64)>,
}

/// Lines.
pub struct Curves {
    /// Above the plot.
    pub title: String,
    /// Below the axis.
    pub across: &'static str,
    /// Of the values.
    pub unit: &'static str,
    /// The lines.
    pub curves: Vec<Curve>,
}

/// What can be drawn.
pub trait Plot {
    /// Above the plot.
    fn title(&self) -> &str;
    /// Draws all but the title.
    ///
    /// # Errors
    /// The backend's.
    fn draw(&self, area: &Area<'_>) -> Drawn;

    /// Writes the plot into a file.
    ///
    /// # Errors
    /// The backend's, or the file's.
    fn write(&self, file: &Path) -> Drawn {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&PAPER)?;
            let title = ("sans-serif", 17).into_font().style(FontStyle::Bold).color(&INK);
            area.draw(&Text::new(self.title().to_owned(), (16, 12), title))?;
            self.draw(&area)?;
            area.present()?;
        }
        let head = svg.find("xmlns").ok_or("no SVG")?;
        let body = head + svg[head..].find('>').ok_or("no SVG")? + 1;
        let title = self.title().replace('&', "&amp;").replace('<', "&lt;");
        svg.insert_str(body, &format!("\n<title>{title}</title>\n{STYLE}"));
        std::fs::write(file, svg + "\n")?;
        Ok(())
    }
}

impl Plot for Bars {
    fn title(&self) -> &str {
        &self.title
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let named = self.series.iter().map(|series| series.name.as_str());
        legend(area, named.zip(COLOURS), self.mark.as_ref().map(|mark| mark.name.as_str()))?;
        let all = |group: usize| self.series.iter().filter_map(move |series| series.values[group]);
        let top = (0..self.groups.len()).map(|group| {
            let marked = self.mark.as_ref().and_then(|mark| mark.values[group]).unwrap_or(0.0);
            let bars = if self.stacked { all(group).sum() } else { all(group).fold(0.0, f64::max) };
            bars.max(marked)
        });
        let top = top.fold(0.0, f64::max) * 1.12;
        let mut chart = chart(area, 0.0..self.groups.len() as f64, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(0)
            .y_desc(self.unit)
            .y_label_formatter(&tick)
            .axis_style(INK)
            .light_line_style(PAPER)
            .bold_line_style(GRID)
            .label_style(small())
            .axis_desc_style(small())
            .draw()?;
        let plot = chart.plotting_area();
        for (group, name) in self.groups.iter().enumerate() {
            let left = group as f64;
            for (line, text) in name.lines().enumerate() {
                let style = small().pos(Pos::new(HPos::Center, VPos::Top));
                let text = Text::new(text.to_owned(), (0, 6 + 14 * line as i32), style);
                plot.draw(&(EmptyElement::at((left + 0.5, 0.0)) + text))?;
            }
            let (width, shift) = match self.series.len() {
                _ if self.stacked => (0.6, 0.0),
                number => (0.8 / number as f64, 0.8 / number as f64),
            };
            let mut foot = 0.0;
            for (at, (series, colour)) in self.series.iter().zip(COLOURS).enumerate() {
                let Some(value) = series.values[group] else { continue };
                let start = left + (if self.stacked { 0.2 } else { 0.1 }) + shift * at as f64;
                let (low, high) = if self.stacked { (foot, foot + value) } else { (0.0, value) };
                foot = high;
                plot.draw(&Rectangle::new([(start, low), (start + width, high)], colour.filled()))?;
                if !self.stacked && self.groups.len() * self.series.len() <= 32 {
                    let style = tiny().pos(Pos::new(HPos::Center, VPos::Bottom));
                    let text = Text::new(short(value), (0, -3), style);
                    plot.draw(&(EmptyElement::at((start + width / 2.0, high)) + text))?;
                }
            }
            if self.stacked {
                let style = small().pos(Pos::new(HPos::Center, VPos::Bottom));
                let text = Text::new(short(foot), (0, -3), style);
                plot.draw(&(EmptyElement::at((left + 0.5, foot)) + text))?;
            }
            if let Some(value) = self.mark.as_ref().and_then(|mark| mark.values[group]) {
                let across = vec![(left + 0.04, value), (left + 0.96, value)];
                plot.draw(&PathElement::new(across, INK.stroke_width(2)))?;
            }
        }
        Ok(())
    }
}

impl Plot for Curves {
    fn title(&self) -> &str {
        &self.title
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        legend(area, self.curves.iter().map(|curve| curve.name.as_str()).zip(COLOURS), None)?;
        let all = || self.curves.iter().flat_map(|curve| curve.points.iter().copied());
        let right = all().map(|(x, _)| x).fold(0.0, f64::max);
        let top = all().map(|(_, y)| y).fold(0.0, f64::max) * 1.08;
        let mut chart = chart(area, 0.0..right, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc(self.across)
            .x_label_formatter(&tick)
            .y_desc(self.unit)
            .y_label_formatter(&tick)
            .axis_style(INK)
            .light_line_style(PAPER)
            .bold_line_style(GRID)
            .label_style(small())
            .axis_desc_style(small())
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(COLOURS) {
            chart.draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)))?;
            if curve.points.len() < 40 {
                chart.draw_series(curve.points.iter().map(|at| Circle::new(*at, 3, colour.filled())))?;
            }
        }
        Ok(())
    }
}

fn chart<'a, 'b>(
    area: &'a Area<'b>,
    across: Range<f64>,
    up: Range<f64>,
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area);
    chart.margin_top(64).margin_right(24).margin_left(8).margin_bottom(8);
    chart.x_label_area_size(48).y_label_area_size(64);
    Ok(chart.build_cartesian_2d(across, up)?)
}

/// Names and colours in a row below the title, and last the mark's.
fn legend<'n>(
    area: &Area<'_>,
    named: impl Iterator<Item = (&'n str, RGBColor)>,
    mark: Option<&str>,
) -> Drawn {
    let mut x = 18;
    for (name, colour) in named {
        area.draw(&Rectangle::new([(x, 40), (x + 12, 52)], colour.filled()))?;
        area.draw(&Text::new(name.to_owned(), (x + 18, 40), small()))?;
        x += 44 + 7 * name.chars().count() as i32;
    }
    if let Some(name) = mark {
        area.draw(&PathElement::new(vec![(x, 46), (x + 14, 46)], INK.stroke_width(2)))?;
        area.draw(&Text::new(name.to_owned(), (x + 20, 40), small()))?;
    }
    Ok(())
}

fn small() -> TextStyle<'static> {
    ("sans-serif", 13).into_font().color(&INK)
}

fn tiny() -> TextStyle<'static> {
    ("sans-serif", 10).into_font().color(&INK)
}

/// Beside an axis.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that plotters wants")]
fn tick(value: &f64) -> String {
    // 0.15 may come as 0.15000000000000002.
    format!("{}", (value * 1e6).round() / 1e6)
}

/// Three digits at least, and no more behind the point than that takes.
fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}
