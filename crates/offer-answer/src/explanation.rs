//! The steps of a call's negotiation and the rules behind them, for administrators.

use std::collections::VecDeque;

/// Most steps that are kept; a call on hold and off again for hours drops its oldest.
const MAX_STEPS: usize = 64;
/// Longest step, in bytes: longer ones are cut.
const MAX_STEP: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Explanation {
    steps: VecDeque<String>,
    dropped: usize,
}

impl Explanation {
    /// The same as the last step is told once.
    pub(crate) fn add(&mut self, mut step: String) {
        if step.len() > MAX_STEP {
            let end = (0..=MAX_STEP).rev().find(|&at| step.is_char_boundary(at)).unwrap_or(0);
            step.truncate(end);
        }
        if self.steps.iter().rev().take(4).any(|known| *known == step) {
            return;
        }
        if self.steps.len() == MAX_STEPS {
            self.steps.pop_front();
            self.dropped += 1;
        }
        self.steps.push_back(step);
    }

    /// One line for each step.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.dropped > 0 {
            text.push_str(&format!("({} earlier steps)\n", self.dropped));
        }
        for step in &self.steps {
            text.push_str(step);
            text.push('\n');
        }
        text
    }
}
