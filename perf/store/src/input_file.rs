//! Files that another program or person may have written: [`read`]. Only regular files of a bounded
//! size are read, so that no file can make a command wait for ever or take all memory.

use std::fmt;
use std::fs::{File, FileType, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How much is read at once. A file whose first line is too long is refused after about as much.
const PIECE: u64 = 64 * KIB;

/// What a file is read as, which decides how large it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The record of a load.
    Record,
    /// The result of another benchmark.
    Import,
    /// A report, or what a run was asked to do.
    Report,
    /// A baseline or an anchor.
    Baseline,
    /// `perf.toml`.
    Config,
    /// Prompts, conversations, or a trace.
    Prompts,
    /// Raw values that are to be judged.
    Values,
}

impl Kind {
    /// The largest file, in bytes.
    pub const fn most_bytes(self) -> u64 {
        match self {
            Self::Record | Self::Prompts => 4096 * MIB,
            Self::Import => 1024 * MIB,
            Self::Report | Self::Values => 64 * MIB,
            Self::Baseline => 16 * MIB,
            Self::Config => MIB,
        }
    }

    /// The longest line, in bytes, of formats that are read line by line.
    pub const fn longest_line(self) -> Option<u64> {
        match self {
            Self::Record => Some(64 * MIB),
            Self::Baseline => Some(MIB),
            Self::Import | Self::Report | Self::Config | Self::Prompts | Self::Values => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Record => "a record",
            Self::Import => "an imported result",
            Self::Report => "a report",
            Self::Baseline => "a baseline",
            Self::Config => "perf.toml",
            Self::Prompts => "prompts",
            Self::Values => "values to judge",
        })
    }
}

/// A file that cannot be read or used.
#[derive(Debug)]
pub struct InputError {
    /// The file or folder.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The error of the operating system.
    #[error("{0}")]
    Io(io::Error),
    /// A folder, a pipe, a device.
    #[error("it is {0}, not a regular file; give a regular file")]
    NotRegular(&'static str),
    /// More than its format needs.
    #[error("it is larger than {}, which is the limit for {kind}", size(*most))]
    TooLarge {
        /// What it was read as.
        kind: Kind,
        /// The largest file, in bytes.
        most: u64,
    },
    /// A line that is longer than its format needs.
    #[error("line {line} is longer than {}, which is the limit for a line of {kind}", size(*most))]
    LongLine {
        /// The line's number, from 1.
        line: u64,
        /// What it was read as.
        kind: Kind,
        /// The longest line, in bytes.
        most: u64,
    },
    /// Not text.
    #[error("byte {0} is not valid UTF-8")]
    NotText(usize),
    /// Text in another encoding.
    #[error("it is UTF-16, as PowerShell writes; save it as UTF-8")]
    Utf16,
    /// Text that does not have the format.
    #[error("{0}")]
    Content(String),
}

impl InputError {
    /// Text that does not have the format.
    pub fn content(path: &Path, why: &dyn fmt::Display) -> Self {
        Self { path: path.to_owned(), fault: Fault::Content(why.to_string()) }
    }

    /// Names the file of an error of the operating system.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        |error| Self { path: path.to_owned(), fault: Fault::Io(error) }
    }

    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(&self.fault, Fault::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = escaped(&self.path);
        match &self.fault {
            Fault::Content(why) => write!(f, "{path}: {why}"),
            fault => write!(f, "cannot read {path}: {fault}"),
        }
    }
}

impl std::error::Error for InputError {}

/// Reads a text file. A byte order mark is left out, and so are the carriage returns that a checkout
/// with Windows line ends puts into baselines and `perf.toml`.
pub fn read(path: &Path, kind: Kind) -> Result<String, InputError> {
    let wrong = |fault| InputError { path: path.to_owned(), fault };
    let bytes = bytes(path, kind).map_err(wrong)?;
    let mut text = String::from_utf8(bytes).map_err(|error| wrong(not_utf8(error.as_bytes())))?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    if matches!(kind, Kind::Baseline | Kind::Config) && text.contains('\r') {
        text = text.replace("\r\n", "\n");
    }
    Ok(text)
}

/// What is wrong with bytes that are not UTF-8.
fn not_utf8(bytes: &[u8]) -> Fault {
    // As PowerShell redirects output.
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Fault::Utf16;
    }
    Fault::NotText(std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len))
}

/// What Windows programs put at the beginning of a text file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Opens a regular file that is not too large.
pub(crate) fn open_regular(path: &Path, kind: Kind) -> Result<File, InputError> {
    open(path, kind).map_err(|fault| InputError { path: path.to_owned(), fault })
}

fn open(path: &Path, kind: Kind) -> Result<File, Fault> {
    // Opening a pipe waits for a writer, unless it is asked not to.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(Fault::Io)?;
    let found = file.metadata().map_err(Fault::Io)?;
    if !found.is_file() {
        return Err(Fault::NotRegular(name(found.file_type())));
    }
    let most = kind.most_bytes();
    if found.len() > most {
        return Err(Fault::TooLarge { kind, most });
    }
    Ok(file)
}

/// Reads a text file line by line, without its line feeds; says of each whether it had one. What is
/// kept in memory is one line.
pub(crate) fn each_line(
    path: &Path,
    kind: Kind,
    mut line: impl FnMut(&str, bool) -> Result<(), Fault>,
) -> Result<(), InputError> {
    let wrong = |fault| InputError { path: path.to_owned(), fault };
    let most = kind.most_bytes();
    let longest = kind.longest_line().unwrap_or(most);
    let mut file = BufReader::new(open(path, kind).map_err(wrong)?);
    let (mut bytes, mut number, mut before) = (Vec::new(), 0, 0);
    loop {
        bytes.clear();
        let read = file.by_ref().take(longest + 1).read_until(b'\n', &mut bytes);
        let read = read.map_err(Fault::Io).map_err(wrong)?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        if bytes.len() as u64 > longest {
            return Err(wrong(Fault::LongLine { line: number, kind, most: longest }));
        }
        if before + bytes.len() as u64 > most {
            return Err(wrong(Fault::TooLarge { kind, most }));
        }
        let has_end = bytes.ends_with(b"\n");
        let text = std::str::from_utf8(&bytes[..bytes.len() - usize::from(has_end)]);
        let place = usize::try_from(before).unwrap_or(usize::MAX);
        let text = text.map_err(|error| match place {
            0 => wrong(not_utf8(&bytes)),
            _ => wrong(Fault::NotText(place.saturating_add(error.valid_up_to()))),
        })?;
        let mark = text.starts_with(BYTE_ORDER_MARK) && before == 0;
        let text = if mark { &text[BYTE_ORDER_MARK.len_utf8()..] } else { text };
        let text = text.strip_suffix('\r').filter(|_| has_end).unwrap_or(text);
        before += bytes.len() as u64;
        line(text, has_end).map_err(wrong)?;
    }
}

fn bytes(path: &Path, kind: Kind) -> Result<Vec<u8>, Fault> {
    let mut file = open(path, kind)?;
    let most = kind.most_bytes();
    let mut bytes = Vec::new();
    let mut lines = Lines { kind, number: 1, length: 0 };
    loop {
        let before = bytes.len();
        let read = file.by_ref().take(PIECE).read_to_end(&mut bytes).map_err(Fault::Io)?;
        if read == 0 {
            return Ok(bytes);
        }
        // A file may grow while it is read.
        if bytes.len() as u64 > most {
            return Err(Fault::TooLarge { kind, most });
        }
        lines.check(&bytes[before..])?;
    }
}

/// Counts the bytes of each line.
struct Lines {
    kind: Kind,
    number: u64,
    length: u64,
}

impl Lines {
    fn check(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let Some(most) = self.kind.longest_line() else { return Ok(()) };
        for line in piece.split_inclusive(|byte| *byte == b'\n') {
            self.length += line.len() as u64;
            if self.length > most {
                return Err(Fault::LongLine { line: self.number, kind: self.kind, most });
            }
            if line.ends_with(b"\n") {
                (self.number, self.length) = (self.number + 1, 0);
            }
        }
        Ok(())
    }
}

fn name(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn size(bytes: u64) -> String {
    if bytes >= 1024 * MIB {
        format!("{} GiB", bytes / (1024 * MIB))
    } else {
        format!("{} MiB", bytes / MIB)
    }
}

/// A path as it may be printed: control characters could change the terminal.
pub fn escaped(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path, kind: Kind) -> String {
        read(path, kind).unwrap_err().to_string()
    }

    #[test]
    fn only_regular_files_are_read_and_no_pipe_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        assert!(refused(&fifo, Kind::Record).contains("it is a pipe, not a regular file"));
        let zero = refused(Path::new("/dev/zero"), Kind::Record);
        assert_eq!(
            zero,
            "cannot read /dev/zero: it is a device, not a regular file; give a regular file"
        );
        assert!(refused(folder.path(), Kind::Record).contains("it is a folder"));
        let link = folder.path().join("loop");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        assert!(refused(&link, Kind::Record).contains("os error 40"));
        assert!(read(&folder.path().join("none"), Kind::Record).unwrap_err().is_missing());
    }

    #[test]
    fn a_file_above_its_limit_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perf.toml");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(Kind::Config.most_bytes() + 1).unwrap();
        assert!(
            refused(&path, Kind::Config)
                .ends_with("it is larger than 1 MiB, which is the limit for perf.toml")
        );
        file.set_len(Kind::Baseline.longest_line().unwrap() + 1).unwrap();
        assert!(refused(&path, Kind::Baseline).contains("line 1 is longer than 1 MiB"));
    }

    #[test]
    fn text_that_is_not_utf_8_and_names_with_control_characters_are_printed_safely() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a\u{1b}[2Jb");
        std::fs::write(&path, b"ab\xff").unwrap();
        let said = refused(&path, Kind::Import);
        assert!(said.ends_with("a\\u{1b}[2Jb: byte 2 is not valid UTF-8"), "{said}");
        for mark in [b"\xff\xfe", b"\xfe\xff"] {
            std::fs::write(&path, [&mark[..], b"{\0}\0"].concat()).unwrap();
            let said = refused(&path, Kind::Prompts);
            assert!(
                said.ends_with("it is UTF-16, as PowerShell writes; save it as UTF-8"),
                "{said}"
            );
            let lines = each_line(&path, Kind::Record, |_, _| Ok(())).unwrap_err();
            assert!(matches!(lines.fault, Fault::Utf16));
        }
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "\u{feff}---\r\na: 1\r\n").unwrap();
        assert_eq!(read(&path, Kind::Baseline).unwrap(), "---\na: 1\n");
        assert_eq!(read(&path, Kind::Config).unwrap(), "---\na: 1\n");
        // Prompts are sent as they are.
        assert_eq!(read(&path, Kind::Prompts).unwrap(), "---\r\na: 1\r\n");
    }
}
