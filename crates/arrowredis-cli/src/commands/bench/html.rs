//! The report as one page: no script, nothing from elsewhere; pure.

use std::fmt::Write;

use super::page_style::STYLE;
use super::report::{Benchmark, Report, Stage};
use super::table::{figures, remarks, summary};

/// The charts, with what stands above each.
const CHARTS: [(&str, &str); 4] = [
    ("gen", "Gen: bytes of the file written"),
    ("split", "Split: bytes of values stored, and the ceiling"),
    ("read", "Read: bytes of values fetched into a table in memory, and the ceiling"),
    ("verify", "Verify: bytes of values compared with the file"),
];

/// Widths of a chart in its own units: all of it, its names, and what is kept for the figures.
const WIDTH: f64 = 800.0;
const NAMES: f64 = 70.0;
const FIGURES: f64 = 190.0;

/// Heights: of a bar, of the ceiling's bar below it, and of a size with the gap after it.
const BAR: f64 = 20.0;
const CEILING_BAR: f64 = 16.0;
const GAP: f64 = 14.0;

pub(super) fn page(report: &Report) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n");
    page.push_str("<meta charset=\"utf-8\">\n");
    page.push_str(
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>arrowredis bench</title>\n",
    );
    let body = format!(
        "<style>{STYLE}</style>\n</head>\n<body>\n<h1>arrowredis bench</h1>\n{}{}\
         <h2>Seconds</h2>\n{}<h2>Rates</h2>\n{}<ul class=\"remarks\">\n{}</ul>\n</body>\n</html>\n",
        environment(report),
        charts(report),
        table(&summary(report), ""),
        table(&figures(report), "named"),
        remarks(report)
            .iter()
            .map(|line| format!("<li>{}</li>\n", escaped(line)))
            .collect::<String>(),
    );
    page.push_str(&body);
    page
}

fn environment(report: &Report) -> String {
    let line = |(name, what): &(&str, String)| {
        format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(what))
    };
    let lines: String = report.environment.lines().iter().map(line).collect();
    format!("<dl>\n{lines}</dl>\n")
}

/// All charts, on one scale.
fn charts(report: &Report) -> String {
    let rates = report.benchmarks.iter().flat_map(|benchmark| {
        benchmark.stages.iter().flat_map(move |stage| {
            [Some(stage.mb_per_second), ceiling(benchmark, stage)].into_iter().flatten()
        })
    });
    // More than nothing, so that it can be divided by.
    let most = rates.fold(1.0, f64::max);
    let chart = |(name, title): &(&'static str, &str)| {
        let stages: Vec<_> =
            report.benchmarks.iter().filter_map(|one| Some((one, one.stage(name)?))).collect();
        if stages.is_empty() { String::new() } else { chart(title, &stages, most) }
    };
    CHARTS.iter().map(chart).collect()
}

fn ceiling(benchmark: &Benchmark, stage: &Stage) -> Option<f64> {
    benchmark.ceiling.as_ref()?.of_stage(stage.name).map(|ceiling| ceiling.mb_per_second)
}

fn chart(title: &str, stages: &[(&Benchmark, &Stage)], most: f64) -> String {
    let mut bars = String::new();
    let mut y = 0.0;
    for (benchmark, stage) in stages {
        let ceiling = ceiling(benchmark, stage);
        let name_y = y + BAR - 5.0;
        // Writing to a String cannot fail.
        let _ = writeln!(
            bars,
            "<text x=\"{:.0}\" y=\"{name_y:.0}\" text-anchor=\"end\">{}</text>",
            NAMES - 10.0,
            escaped(benchmark.shape.size)
        );
        let share = stage.share_of_ceiling.map(|share| format!(" · {:.0} %", share * 100.0));
        let figure = format!("{:.0} MB/s{}", stage.mb_per_second, share.unwrap_or_default());
        bars.push_str(&bar(stage.name, y, BAR, stage.mb_per_second / most, "", &figure));
        y += BAR;
        if let Some(ceiling) = ceiling {
            let figure = format!("ceiling {ceiling:.0} MB/s");
            bars.push_str(&bar("ceiling", y, CEILING_BAR, ceiling / most, "faint", &figure));
            y += CEILING_BAR;
        }
        y += GAP;
    }
    let bottom = y - GAP;
    let title = escaped(title);
    format!(
        "<section>\n<h2>{title}</h2>\n<div class=\"wide\">\n\
         <svg viewBox=\"0 -2 {WIDTH:.0} {:.0}\" role=\"img\" \
         aria-label=\"{title}\">\n{bars}<line class=\"axis\" x1=\"{NAMES:.0}\" x2=\"{NAMES:.0}\" \
         y1=\"-2\" y2=\"{:.0}\"/>\n</svg>\n</div>\n</section>\n",
        bottom + 6.0,
        bottom + 2.0
    )
}

/// A bar that is a part of the longest, with its figure at the end.
fn bar(class: &str, y: f64, height: f64, part: f64, text: &str, figure: &str) -> String {
    let width = (WIDTH - NAMES - FIGURES) * part.clamp(0.0, 1.0);
    let (x, base) = (NAMES + width + 8.0, y + height / 2.0 + 4.5);
    format!(
        "<rect class=\"{class}\" x=\"{NAMES:.0}\" y=\"{y:.0}\" width=\"{width:.1}\" \
         height=\"{height:.0}\"/>\n<text class=\"{text}\" x=\"{x:.1}\" y=\"{base:.1}\">{}</text>\n",
        escaped(figure)
    )
}

/// A table whose first row is its head.
fn table(rows: &[Vec<String>], class: &str) -> String {
    let cells = |row: &[String], tag: &str| {
        let cells = row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let Some((head, rows)) = rows.split_first() else { return String::new() };
    let body: String = rows.iter().map(|row| cells(row, "td")).collect();
    format!(
        "<div class=\"wide\"><table class=\"{class}\">\n<thead>\n{}</thead>\n<tbody>\n{body}</tbody>\n\
         </table></div>\n",
        cells(head, "th")
    )
}

/// The text as HTML shows it, inside of an element or of an attribute.
fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            c if c.is_control() => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn nothing_that_was_found_is_taken_for_html() {
        assert_eq!(escaped("<a b=\"c\">&'\u{1b}"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;\u{fffd}");
        let page = page(&report());
        assert!(page.contains("&lt;CPU&gt; &amp; more"), "{page}");
        assert!(!page.contains("<CPU>"));
    }

    #[test]
    fn the_page_needs_nothing_but_itself() {
        let page = page(&report());
        for from_elsewhere in ["<script", "<link", "<img", "url(", "@import", "http"] {
            assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
        }
    }

    /// A chart for each stage that was measured, and the ceiling where there is one.
    #[test]
    fn every_stage_has_its_bar() {
        let page = page(&report());
        assert_eq!(page.matches("<svg").count(), 3);
        assert_eq!(page.matches("<rect class=\"ceiling\"").count(), 2);
        assert!(page.contains("10 MB/s · 50 %"), "{page}");
    }
}
