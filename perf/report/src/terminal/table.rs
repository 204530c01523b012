//! What every table here is made with: no lines, numbers to the right, no blanks at the ends.

use comfy_table::{CellAlignment, Table};

pub(super) use crate::figure::{marked, number, optional};

pub(super) fn plain<T: ToString>(head: &[T]) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(head.iter().map(ToString::to_string));
    table
}

pub(super) fn align_right(table: &mut Table, columns: std::ops::Range<usize>) {
    for (index, column) in table.column_iter_mut().enumerate() {
        if columns.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// The table's lines without the blanks at their ends.
pub(super) fn trimmed(table: &Table) -> String {
    table.lines().map(|line| format!(" {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}

/// A workload's line, short enough for a terminal.
pub(super) fn shorten(text: &str) -> String {
    const WIDTH: usize = 110;
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    let head: String = text.chars().take(WIDTH - 1).collect();
    format!("{head}…")
}
