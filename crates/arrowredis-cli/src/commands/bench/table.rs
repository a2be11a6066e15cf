//! The report as people read it: a summary that adds up, and each stage's figures; pure.

use indicatif::HumanCount;

use super::report::{Benchmark, Report, Stage};

/// What the summary shows, in its order.
const STAGES: [(&str, &str); 4] =
    [("gen", "Gen (s)"), ("split", "Split (s)"), ("read", "Read (s)"), ("verify", "Verify (s)")];

pub(super) fn text(report: &Report) -> String {
    let mut parts = vec![
        report
            .environment
            .lines()
            .iter()
            .map(|(name, what)| format!("{:<12} {what}", format!("{name}:")))
            .collect::<Vec<_>>()
            .join("\n"),
        aligned(&summary(report)),
        aligned(&figures(report)),
    ];
    parts.push(remarks(report).join("\n"));
    parts.join("\n\n")
}

/// The summary's rows, the first of them its head. Totals are sums of what is shown.
pub(super) fn summary(report: &Report) -> Vec<Vec<String>> {
    let shown = |(name, _): &&(&str, &str)| {
        report.benchmarks.iter().any(|benchmark| benchmark.stage(name).is_some())
    };
    let columns: Vec<_> = STAGES.iter().filter(shown).collect();
    let mut head = vec!["Benchmark".to_owned(), "Size (MB)".to_owned()];
    head.extend(columns.iter().map(|(_, title)| (*title).to_owned()));
    head.push("Total (s)".to_owned());
    let row = |benchmark: &Benchmark| {
        let times: Vec<_> = columns
            .iter()
            .map(|(name, _)| benchmark.stage(name).map_or(0, |stage| milliseconds(stage.seconds)))
            .collect();
        let mut row = vec![benchmark.shape.size.to_owned(), megabytes(benchmark.file_bytes)];
        row.extend(times.iter().copied().map(seconds));
        row.push(seconds(times.iter().sum()));
        row
    };
    let rows = report.benchmarks.iter().map(row);
    std::iter::once(head).chain(rows).collect()
}

/// Each stage's figures, the first row their head.
pub(super) fn figures(report: &Report) -> Vec<Vec<String>> {
    let head = ["Benchmark", "Stage", "MB", "MB/s", "Rows/s", "Ceiling (MB/s)", "Share"];
    let row = |benchmark: &Benchmark, stage: &Stage| {
        let ceiling = benchmark.ceiling.as_ref().and_then(|ceiling| ceiling.of_stage(stage.name));
        vec![
            benchmark.shape.size.to_owned(),
            stage.name.to_owned(),
            megabytes(stage.bytes),
            format!("{:.0}", stage.mb_per_second),
            HumanCount(whole(stage.rows_per_second)).to_string(),
            ceiling.map_or(String::new(), |ceiling| format!("{:.0}", ceiling.mb_per_second)),
            stage.share_of_ceiling.map_or(String::new(), percent),
        ]
    };
    let rows = report.benchmarks.iter();
    let rows = rows.flat_map(|one| one.stages.iter().map(move |stage| row(one, stage)));
    std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect()
}

/// What has to be said of the figures.
pub(super) fn remarks(report: &Report) -> Vec<String> {
    let mut lines = vec![match report.repeat {
        1 => "Each stage was measured once.".to_owned(),
        times => format!("Times are medians of {times} runs."),
    }];
    lines.push(
        "MB are 10^6 bytes: of the file for gen, of the stored values for the other stages."
            .to_owned(),
    );
    lines.push(match report.no_ceiling {
        Some(why) => format!("The ceiling was {why}."),
        None => {
            "The ceiling is raw SET and GET of values as long as the chunks, of which nothing is \
             decoded: the best of its runs. At 100 % and above only noise tells the two apart, \
             which more runs make less."
                .to_owned()
        }
    });
    for benchmark in &report.benchmarks {
        let size = benchmark.shape.size;
        match benchmark.equal {
            Some(true) => lines.push(format!("{size}: the dataset is equal to its file.")),
            Some(false) => lines.push(format!("{size}: THE DATASET DIFFERS FROM ITS FILE.")),
            None => {}
        }
    }
    lines.extend(report.kept.as_ref().map(|kept| format!("{}.", kept.text())));
    lines.extend(report.left_behind.clone());
    lines
}

/// Rows in columns: names to the left, numbers to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let cell = |(column, cell): (usize, &String)| {
        let width = widths[column];
        let is_name = column == 0 || rows[0][column] == "Stage";
        if is_name { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    };
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().enumerate().map(cell).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Times are shown and added up in milliseconds.
fn milliseconds(seconds: f64) -> u64 {
    whole(seconds * 1e3)
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / 1e6)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number, rounded for display"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    /// Each of the three times has 0.4 ms beyond what is shown; their sum would be shown as 0.601.
    #[test]
    fn the_total_is_the_sum_of_what_is_shown() {
        let report = report();
        assert_eq!(
            aligned(&summary(&report)),
            "Benchmark  Size (MB)  Gen (s)  Split (s)  Read (s)  Total (s)\n\
             50MB            2.00    0.300      0.200     0.100      0.600"
        );
    }

    #[test]
    fn shares_stand_where_there_is_a_ceiling() {
        let figures = figures(&report());
        assert_eq!(figures[1], ["50MB", "gen", "2.00", "7", "3,329", "", ""]);
        assert_eq!(figures[2], ["50MB", "split", "2.00", "10", "4,990", "20", "50 %"]);
    }
}
