//! Reports as people read them.

use std::time::Duration;

use arrowredis::report::{
    AdoptReport, AliasReport, CopyReport, DatasetVerifyReport, Difference, Fault, GenerateReport,
    InfoReport, ListReport, ListedKind, ReadReport, RemoveReport, SplitReport, State, TouchReport,
    VerifyReport,
};
use indicatif::{DecimalBytes, HumanCount};

use crate::output::printable;

pub(crate) fn generated(report: &GenerateReport) -> String {
    format!(
        "Wrote {}\n  {} partitions × {} batches × {} rows, {}\n{}",
        report.out.display(),
        HumanCount(report.partitions.into()),
        HumanCount(report.batches.into()),
        HumanCount(report.rows / report.chunks.max(1)),
        report.compression,
        figures("File size", report.bytes, report.rows, report.seconds),
    )
}

pub(crate) fn stored(report: &SplitReport) -> String {
    let mut text = format!(
        "Stored {} in {} under '{}:{{part=XXXXX}}:batch=YYYYY' at {}{}\n{}",
        count(report.chunks, "chunk"),
        count(report.partitions, "partition"),
        report.dataset,
        report.store,
        if report.replaced { ", replacing what was there" } else { "" },
        figures("Stored size", report.bytes, report.rows, report.seconds),
    );
    if let Some(life) = report.time_to_live_seconds {
        text.push_str(&format!("\n  Lives:       {}", span(life)));
    }
    text
}

pub(crate) fn listed(report: &ListReport) -> String {
    let mut rows = vec![
        ["NAME", "ROWS", "CHUNKS", "BYTES", "CODEC", "AGE", "LIVES"].map(str::to_owned).to_vec(),
    ];
    for entry in &report.entries {
        let name = entry.name.clone();
        rows.push(match &entry.kind {
            ListedKind::Dataset {
                rows,
                chunks,
                bytes,
                codec,
                age_seconds,
                time_to_live_seconds,
                ..
            } => vec![
                name,
                HumanCount(*rows).to_string(),
                HumanCount(*chunks).to_string(),
                DecimalBytes(*bytes).to_string(),
                codec.to_string(),
                span(*age_seconds),
                time_to_live_seconds.map_or("for ever".to_owned(), span),
            ],
            ListedKind::Alias { dataset } => vec![name, format!("-> {dataset}")],
            ListedKind::Unreadable { what } => vec![name, format!("unreadable manifest: {what}")],
        });
    }
    if report.entries.is_empty() {
        return format!("No dataset with a manifest at {}", report.store);
    }
    table(&rows)
}

/// Rows in columns that are as wide as they must be. Rows with fewer cells are remarks.
fn table(rows: &[Vec<String>]) -> String {
    let full = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter(|row| column == 0 || row.len() == full);
        cells.map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..full).map(width).collect();
    let line = |row: &Vec<String>| {
        let cell = |(cell, width): (&String, &usize)| format!("{cell:<width$}");
        let cells: Vec<_> = row.iter().zip(&widths).map(cell).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Most partitions that are shown one by one.
const MOST_PARTITIONS: usize = 20;

pub(crate) fn described(report: &InfoReport) -> String {
    let state = match report.state {
        State::Whole => "whole: every chunk is there with its length".to_owned(),
        State::WholeNotRenamed => format!(
            "whole, but without its own name yet for {}: the writer was interrupted or is still at it",
            count(report.staged, "chunk")
        ),
        State::Damaged => format!(
            "damaged: {} absent or of another length, the first is '{}'",
            count(report.absent, "chunk"),
            report.missing.first().map_or("", String::as_str)
        ),
    };
    let mut lines = vec![format!("Dataset '{}' at {}", report.dataset, report.store)];
    let mut add = |name: &str, value: String| {
        let name = format!("{name}:");
        lines.push(format!("  {name:<12} {value}"));
    };
    if let Some(alias) = &report.alias {
        add("Alias", format!("'{alias}' stands for it"));
    }
    add("State", state);
    add("Rows", HumanCount(report.rows).to_string());
    add("Chunks", HumanCount(report.chunks).to_string());
    add(
        "Size",
        format!(
            "{}, {}; {} of the server's memory",
            DecimalBytes(report.bytes),
            report.codec,
            DecimalBytes(report.memory_bytes)
        ),
    );
    add("Written", format!("{} ago by {}", span(report.age_seconds), inline(&report.writer)));
    add("Id", report.dataset_id.to_string());
    add("Lives", report.time_to_live_seconds.map_or("for ever".to_owned(), span));
    if let Some(owner) = &report.being_written_by {
        add("Claimed by", inline(owner));
    }
    add("Columns", HumanCount(report.columns.len() as u64).to_string());
    for column in &report.columns {
        let nullable = if column.nullable { "" } else { ", no nulls" };
        let (name, data_type) = (inline(&column.name), inline(&column.data_type));
        lines.push(format!("    {name}: {data_type}{nullable}"));
        for (key, value) in &column.metadata {
            lines.push(format!("      metadata {} = {}", inline(key), inline(value)));
        }
    }
    for (key, value) in &report.metadata {
        lines.push(format!("    metadata {} = {}", inline(key), inline(value)));
    }
    lines.push(format!("  Partitions:  {}", HumanCount(report.partitions.len() as u64)));
    for partition in report.partitions.iter().take(MOST_PARTITIONS) {
        lines.push(format!(
            "    {:>5}: {}, {}, {}",
            partition.partition,
            count(partition.chunks, "chunk"),
            count(partition.rows, "row"),
            DecimalBytes(partition.bytes)
        ));
    }
    if report.partitions.len() > MOST_PARTITIONS {
        let more = (report.partitions.len() - MOST_PARTITIONS) as u64;
        lines.push(format!("    and {} more; --json lists all", HumanCount(more)));
    }
    lines.join("\n")
}

pub(crate) fn removed(report: &RemoveReport) -> String {
    match &report.alias_of {
        Some(dataset) => {
            format!("Removed the alias '{}'; '{dataset}', for which it stood, was not", report.name)
        }
        None => format!(
            "Removed '{}' with {} at {}{}",
            report.name,
            count(report.chunks, "chunk"),
            report.store,
            match report.leftovers {
                0 => String::new(),
                some => format!(", and {} that an interrupted writer left", count(some, "key")),
            }
        ),
    }
}

pub(crate) fn aliased(report: &AliasReport) -> String {
    match &report.before {
        Some(before) => {
            format!("'{}' stands for '{}' now, not for '{before}'", report.alias, report.dataset)
        }
        None => format!("'{}' stands for '{}' now", report.alias, report.dataset),
    }
}

pub(crate) fn copied(report: &CopyReport) -> String {
    format!(
        "Copied {} of '{}' at {} to '{}' at {}{}\n{}",
        count(report.chunks, "chunk"),
        report.dataset,
        report.store,
        report.copy,
        report.copy_store,
        if report.replaced { ", replacing what was there" } else { "" },
        figures("Copied size", report.bytes, report.rows, report.seconds),
    )
}

pub(crate) fn touched(report: &TouchReport) -> String {
    let lives = report.time_to_live_seconds;
    let mut text = format!(
        "'{}' at {} lives {}",
        report.dataset,
        report.store,
        lives.map_or("for ever".to_owned(), |life| format!("{} from now on", span(life)))
    );
    if report.absent > 0 {
        let absent = count(report.absent, "chunk");
        text.push_str(&format!("\n  It is damaged: {absent} absent or of another length"));
    }
    text
}

pub(crate) fn adopted(report: &AdoptReport) -> String {
    format!(
        "Wrote the manifest of '{}' at {}: {} in {}, {}\n{}",
        report.dataset,
        report.store,
        count(report.chunks, "chunk"),
        count(report.partitions, "partition"),
        report.codec,
        figures("Stored size", report.bytes, report.rows, report.seconds),
    )
}

pub(crate) fn checked(report: &DatasetVerifyReport) -> String {
    let verdict = if report.whole {
        "Whole: every chunk is there and as it was written".to_owned()
    } else {
        let lost = report.chunks_expected - report.chunks;
        let mut lines = vec![format!(
            "Damaged: of {}, {} absent or not as written",
            count(report.chunks_expected, "chunk"),
            HumanCount(lost)
        )];
        lines.extend(report.missing.iter().map(|key| format!("  '{key}': it is absent")));
        lines.extend(report.damaged.iter().map(|Fault { key, what }| format!("  '{key}': {what}")));
        lines.join("\n")
    };
    format!("{verdict}\n{}", figures("Read size", report.bytes, report.rows, report.seconds))
}

pub(crate) fn fetched(report: &ReadReport) -> String {
    let mut text = format!(
        "Fetched {}/{} present chunks in {:.2}s; parsed in {:.2}s; rows={}\n{}",
        HumanCount(report.chunks_present),
        HumanCount(report.chunks_expected),
        report.fetch_seconds,
        report.parse_seconds,
        HumanCount(report.rows),
        figures("Fetched size", report.bytes, report.rows, report.seconds),
    );
    if let (Some(out), Some(bytes)) = (&report.out, report.out_bytes) {
        text.push_str(&format!("\n  Wrote:       {} ({})", out.display(), DecimalBytes(bytes)));
    }
    let skipped = report.chunks_expected - report.chunks_present;
    if skipped > 0 {
        text.push_str(&format!("\n  Left out:    {}", count(skipped, "chunk")));
    }
    if let Some(first) = report.missing.first() {
        let others = if report.missing.len() > 1 { ", and others" } else { "" };
        text.push_str(&format!("\n  Absent:      '{first}'{others}"));
    }
    for Fault { key, what } in &report.damaged {
        text.push_str(&format!("\n  Damaged:     '{key}': {what}"));
    }
    if report.restarts > 0 {
        text.push_str(&format!(
            "\n  Began anew:  {}, because the dataset was replaced meanwhile",
            count(report.restarts.into(), "time")
        ));
    }
    text
}

pub(crate) fn compared(report: &VerifyReport) -> String {
    let verdict = verdict(report, "file 1", "file 2");
    format!("{verdict}\n{}", figures("Both files", report.bytes, report.rows, report.seconds))
}

pub(crate) fn compared_with_file(report: &VerifyReport) -> String {
    let verdict = verdict(report, "the file", "the dataset");
    format!("{verdict}\n{}", figures("Stored size", report.bytes, report.rows, report.seconds))
}

fn verdict(report: &VerifyReport, one: &str, two: &str) -> String {
    match &report.difference {
        None => "Equal: the same schema, rows and values".to_owned(),
        Some(Difference::Schema { what }) => format!("Different schemas: {what}"),
        Some(Difference::Value { row, column, value1, value2 }) => format!(
            "Different: the first difference is in row {row} (counted from 0), column '{column}': \
             {value1} in {one}, {value2} in {two}"
        ),
        Some(Difference::Rows { rows1, rows2 }) => format!(
            "Different: {one} has {} rows and {two} has {}; those that both have are equal",
            HumanCount(*rows1),
            HumanCount(*rows2)
        ),
        Some(Difference::StoredValue { key, row, column, value1, value2 }) => format!(
            "Different: the first difference is in '{key}', row {row} of it (counted from 0), \
             column '{column}': {value1} in {one}, {value2} in {two}"
        ),
        Some(Difference::Chunk { key, file, stored }) => {
            format!("Different: for '{key}' there is {file} in {one} and {stored} in {two}")
        }
    }
}

/// A time span as people say it, in its two largest units.
fn span(seconds: f64) -> String {
    let whole = Duration::from_secs_f64(seconds.clamp(0.0, 1e12));
    let whole = if whole < Duration::from_secs(1) {
        Duration::from_millis(u64::try_from(whole.as_millis()).unwrap_or_default())
    } else {
        Duration::from_secs(whole.as_secs())
    };
    let text = humantime::format_duration(whole).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Size, time and rates: MB are 10^6 bytes.
fn figures(what: &str, bytes: u64, rows: u64, seconds: f64) -> String {
    let per_second = |amount: u64| amount as f64 / seconds.max(1e-9);
    let what = format!("{what}:");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive rate, rounded for display"
    )]
    let rows = per_second(rows) as u64;
    format!(
        "  {what:<12} {}\n  Time:        {seconds:.2}s\n  Throughput:  {:.2} MB/s, {} rows/s",
        DecimalBytes(bytes),
        per_second(bytes) / 1e6,
        HumanCount(rows)
    )
}

/// The text on one line.
fn inline(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

/// So many of something.
fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", HumanCount(number))
}
