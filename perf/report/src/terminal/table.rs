//! What every table here is made with: no lines, numbers to the right, no blanks at the ends.

use comfy_table::{CellAlignment, Table};

use super::wrap::{WIDTH, broken, columns};

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

/// A table that is no wider than a terminal. Its first columns, `keys` of them, name a row. Columns that
/// do not fit beside them stand in further tables below, behind the same first columns. All are set
/// to the right, except those in `left`.
pub(super) fn blocks(head: &[String], rows: &[Vec<String>], keys: usize, left: &[usize]) -> String {
    let cost = |column: &usize| wide(head, rows, *column) + 2;
    let key: Vec<usize> = (0..keys).collect();
    let own: usize = key.iter().map(cost).sum();
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    let mut used = WIDTH;
    for column in keys..head.len() {
        used += cost(&column);
        if let Some(block) = blocks.last_mut().filter(|_| used <= WIDTH) {
            block.push(column);
        } else {
            blocks.push(key.iter().copied().chain([column]).collect());
            used = own + cost(&column);
        }
    }
    let table = |block: &Vec<usize>| {
        let pick = |row: &[String]| block.iter().map(|at| row[*at].clone()).collect::<Vec<_>>();
        let mut table = plain(&pick(head));
        for row in rows {
            table.add_row(pick(row));
        }
        for (at, column) in table.column_iter_mut().enumerate() {
            if !left.contains(&block[at]) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        trimmed(&table)
    };
    blocks.iter().map(table).collect::<Vec<_>>().join("\n\n")
}

/// Breaks the first cell of each row, so that the row is no wider than a terminal if the other columns
/// leave it any room.
pub(super) fn narrow_first<Row: AsMut<[String]> + AsRef<[String]>>(
    head: &[impl AsRef<str>],
    rows: &mut [Row],
) {
    let others = |column: usize| {
        let cell = |row: &Row| columns(&AsRef::<[String]>::as_ref(row)[column]);
        rows.iter().map(cell).chain([columns(head[column].as_ref())]).max().unwrap_or_default() + 2
    };
    let others: usize = (1..head.len()).map(others).sum();
    let left = WIDTH.saturating_sub(others + 2).max(12);
    for row in rows {
        let first = &mut AsMut::<[String]>::as_mut(row)[0];
        *first = broken(first, left);
    }
}

/// The width of a column.
fn wide(head: &[String], rows: &[Vec<String>], column: usize) -> usize {
    widest(rows.iter().map(|row| row[column].as_str()).chain([head[column].as_str()]))
}

fn widest<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    cells.flat_map(str::lines).map(columns).max().unwrap_or_default()
}

/// A workload's line, short enough for a terminal.
pub(super) fn shorten(text: &str) -> String {
    const LENGTH: usize = 110;
    if text.chars().count() <= LENGTH {
        return text.to_owned();
    }
    let head: String = text.chars().take(LENGTH - 1).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn columns_that_do_not_fit_stand_below_behind_the_names_of_the_rows() {
        let wide = "x".repeat(30);
        let head = words(&["", "a", "b", "c"]);
        let rows = [words(&["row", &wide, &wide, "3"]), words(&["other", "1", "2", &wide])];
        let text = blocks(&head, &rows, 1, &[0]);
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        assert_eq!(text.matches("other").count(), 2, "{text}");
        assert!(!text.contains("\n\n\n") && text.contains("\n\n"), "{text}");
        let narrow = blocks(&head, &[words(&["row", "1", "2", "3"])], 1, &[0]);
        assert_eq!(narrow, "       a  b  c\n  row  1  2  3");
    }

    #[test]
    fn a_long_first_cell_is_broken_where_the_others_leave_no_room() {
        let mut rows = [words(&["a name of many words that goes on and on", &"9".repeat(60)])];
        narrow_first(&["", "value"], &mut rows);
        assert!(widest(rows[0][0].lines()) <= 16, "{rows:?}");
    }
}
