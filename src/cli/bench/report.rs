//! What was measured, for people and for programs.

use super::rates::Rates;
use crate::cli::Output;
use serde_json::{Value, json};

/// What a number shall be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
}

/// One number.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Option<Goal>,
    ratio: Option<(f64, &'static str)>,
}

impl Figure {
    /// A number and its unit.
    pub(super) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Figure {
        Figure { name: name.into(), value, unit, goal: None, ratio: None }
    }

    /// What it shall be.
    pub(super) fn goal(self, goal: Goal) -> Figure {
        Figure { goal: Some(goal), ..self }
    }

    /// How it compares to what the machine does without us.
    pub(super) fn ratio(self, raw: f64, of: &'static str) -> Figure {
        Figure { ratio: (raw > 0.0).then_some((self.value / raw, of)), ..self }
    }

    fn is_reached(&self) -> Option<bool> {
        self.goal.map(|goal| match goal {
            Goal::AtLeast(least) => self.value >= least,
            Goal::AtMost(most) => self.value <= most,
        })
    }

    fn json(&self) -> Value {
        let goal = self.goal.map(|goal| match goal {
            Goal::AtLeast(least) => json!({ "at_least": least }),
            Goal::AtMost(most) => json!({ "at_most": most }),
        });
        let ratio = self.ratio.map(|(ratio, of)| json!({ "value": ratio, "of": of }));
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "goal": goal,
            "reached": self.is_reached(),
            "ratio": ratio,
        })
    }

    fn line(&self) -> String {
        let mut line = format!("  {:<52} {:>12} {:<6}", self.name, number(self.value), self.unit);
        if let Some((ratio, of)) = self.ratio {
            line.push_str(&format!("  {} of {of}", number(ratio)));
        }
        if let (Some(goal), Some(reached)) = (self.goal, self.is_reached()) {
            let (word, bound) = match goal {
                Goal::AtLeast(least) => ("at least", least),
                Goal::AtMost(most) => ("at most", most),
            };
            let verdict = if reached { "reached" } else { "MISSED" };
            line.push_str(&format!("  goal {word} {}: {verdict}", number(bound)));
        }
        line.trim_end().to_owned()
    }
}

/// What one scenario found.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// The scenario and how it was run.
    pub(super) title: String,
    /// Its numbers.
    pub(super) figures: Vec<Figure>,
    /// What must be known to read them.
    pub(super) remarks: Vec<String>,
}

impl Section {
    pub(super) fn new(title: impl Into<String>) -> Section {
        Section { title: title.into(), figures: Vec::new(), remarks: Vec::new() }
    }

    pub(super) fn push(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    pub(super) fn remark(&mut self, remark: impl Into<String>) {
        self.remarks.push(remark.into());
    }

    fn table(&self) -> String {
        let figures = self.figures.iter().map(Figure::line);
        let remarks = self.remarks.iter().map(|remark| format!("  ! {remark}"));
        [self.title.clone()].into_iter().chain(figures).chain(remarks).collect::<Vec<_>>().join("\n")
    }

    fn json(&self) -> Value {
        let figures: Vec<Value> = self.figures.iter().map(Figure::json).collect();
        json!({ "title": self.title, "figures": figures, "remarks": self.remarks })
    }
}

/// The sections as they come: a table is printed at once, JSON at the end as one value.
pub(super) struct Printer {
    output: Output,
    sections: Vec<Section>,
}

impl Printer {
    pub(super) fn new(output: Output) -> Printer {
        Printer { output, sections: Vec::new() }
    }

    /// Takes a section.
    pub(super) fn add(&mut self, section: Section) {
        match self.output {
            Output::Table => println!("{}\n", section.table()),
            Output::Json => self.sections.push(section),
        }
    }

    /// Prints what is left.
    pub(super) fn finish(self, rates: &Rates) {
        if let Output::Json = self.output {
            let sections: Vec<Value> = self.sections.iter().map(Section::json).collect();
            println!("{}", json!({ "machine": rates.json(), "sections": sections }));
        }
    }
}

/// A number with as many digits as mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => grouped(value.round()),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let sign = if value < 0.0 { "-" } else { "" };
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    format!("{sign}{}", groups.collect::<Vec<_>>().join(","))
}

/// Values in order, as [`percentile`] takes them.
pub(super) fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which this part of a sorted list lies.
pub(super) fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let place = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(place.saturating_sub(1).min(last)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let shown = [20_123.4, 512.0, 75.25, 0.123, -1_234_567.0].map(number);
        assert_eq!(shown, ["20,123", "512", "75.2", "0.12", "-1,234,567"]);
    }

    #[test]
    fn a_goal_is_judged_and_a_ratio_told() {
        let figure =
            Figure::new("launches", 18_000.0, "/s").goal(Goal::AtLeast(20_000.0)).ratio(4_000.0, "raw syncs");
        let line = figure.line();
        assert!(line.contains("18,000 /s") && line.contains("4.50 of raw syncs"), "{line}");
        assert!(line.ends_with("goal at least 20,000: MISSED"), "{line}");
        let value = Figure::new("last", 99.0, "ms").goal(Goal::AtMost(100.0)).json();
        assert_eq!((&value["reached"], &value["goal"]["at_most"]), (&true.into(), &100.0.into()));
        assert!(Figure::new("x", 1.0, "ms").ratio(0.0, "nothing").json()["ratio"].is_null());
    }

    #[test]
    fn percentiles_are_values_of_the_list() {
        let list: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|part| percentile(&list, part)), [50.0, 99.0, 100.0]);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }
}
