//! `docs/performance.md`: tables between its markers, and the plots beside it, made from what was measured just now. What
//! stands around the markers is written by people.

mod asterisk;
mod batch;
mod common;
mod gates;
mod instructions;
mod others;
mod payloads;
mod peers;
mod plot;
mod streams;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::options::Options;
use plot::Plot;

type Done = Result<(), Box<dyn Error>>;

/// The page in the folder of documents.
const PAGE: &str = "performance.md";
/// The plots, and what the benchmark of whole calls writes.
const PLOTS: &str = "performance";

/// What the page has, in its order: the name of its markers, and what fills them.
type Section = (&'static str, fn(&mut Page, &Options) -> Done);
const SECTIONS: [Section; 10] = [
    ("machine", others::machine),
    ("gates", gates::section),
    ("peers", peers::section),
    ("payloads", payloads::section),
    ("instructions", instructions::section),
    ("streams", streams::section),
    ("batch", batch::section),
    ("handshakes", others::handshakes),
    ("relay", others::relay),
    ("asterisk", asterisk::section),
];

/// Measures and fills the page in `documents`, or only the sections that `only` names.
///
/// # Errors
/// If something cannot be measured or written, or the page lacks a marker.
pub fn run(documents: &Path, only: &[String], options: &Options) -> Result<bool, Box<dyn Error>> {
    if let Some(unknown) = only.iter().find(|name| SECTIONS.iter().all(|(known, _)| known != name)) {
        return Err(format!("the page has no section {unknown}").into());
    }
    let file = documents.join(PAGE);
    let mut page = Page { text: fs::read_to_string(&file)?, plots: documents.join(PLOTS) };
    fs::create_dir_all(&page.plots)?;
    for (name, fill) in SECTIONS {
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            eprintln!("section {name}");
            fill(&mut page, options)?;
        }
    }
    fs::write(&file, page.text)?;
    Ok(true)
}

/// The page while it is filled.
pub struct Page {
    text: String,
    plots: PathBuf,
}

impl Page {
    /// Puts Markdown between the markers of a name.
    fn put(&mut self, name: &str, markdown: &str) -> Done {
        let (from, to) =
            (format!("<!-- {name}: written by make performance -->"), format!("<!-- {name}: end -->"));
        let start =
            self.text.find(&from).ok_or_else(|| format!("the page lacks the marker {from}"))? + from.len();
        let end =
            self.text[start..].find(&to).ok_or_else(|| format!("the page lacks the marker {to}"))? + start;
        self.text.replace_range(start..end, &format!("\n{}\n", markdown.trim_end()));
        Ok(())
    }

    /// Writes a plot; gives the line of Markdown that shows it.
    fn plot(&self, name: &str, plot: &impl Plot) -> Result<String, Box<dyn Error>> {
        plot.write(&self.plots.join(format!("{name}.svg")))?;
        Ok(format!("![{}]({PLOTS}/{name}.svg)\n\n", plot.title()))
    }
}
