//! What a page needs of the records and logs of a run: [`LoadShape`], [`Log`].

use perf_model::analysis::run_shape::RunShape;
use perf_model::record::file::Header;
use perf_model::record::fingerprint::Fingerprint;
use perf_model::record::part::Part;
use perf_model::record::start_up::StartUp;

/// The end of a server's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Where it is in the folder of the run.
    pub name: String,
    /// Its last lines.
    pub text: String,
}

/// What the records of a load say, gathered record by record.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadShape {
    /// The suite.
    pub suite: String,
    /// The load.
    pub load: String,
    /// What was measured, with the latencies of all starts and the course of the first.
    pub now: RunShape,
    /// The same of the base, which a duet or a comparison measured in turn with it.
    pub base: Option<RunShape>,
    /// How each engine start went, by its number.
    pub start_ups: Vec<(u32, StartUp)>,
    /// What the first start ran on.
    pub fingerprint: Fingerprint,
    /// The part of the run whose course is shown; none before the first record.
    course_of: Option<Part>,
}

impl LoadShape {
    /// A load of which no record was added yet.
    pub fn of(header: &Header) -> Self {
        Self {
            suite: header.suite.clone(),
            load: header.load.clone(),
            now: RunShape::default(),
            base: None,
            start_ups: Vec::new(),
            fingerprint: header.fingerprint.clone(),
            course_of: None,
        }
    }

    /// Adds a record: its header, and what was gathered of its requests.
    pub fn add(&mut self, header: &Header, shape: RunShape) {
        if header.part == Part::Base {
            match &mut self.base {
                Some(base) => base.merge_latencies(&shape),
                None => self.base = Some(shape),
            }
            return;
        }
        let is_new = self.start_ups.iter().all(|(start, _)| *start != header.start);
        if let (true, Part::Judged, Some(start_up)) = (is_new, header.part, header.start_up) {
            self.start_ups.push((header.start, start_up));
        }
        self.now.merge_latencies(&shape);
        // The records of a duet may come before those of the starts that were judged.
        let is_better = header.part == Part::Judged && self.course_of != Some(Part::Judged);
        if self.course_of.is_none() || is_better {
            self.now.take_course(shape);
            self.course_of = Some(header.part);
        }
    }
}
