//! What agents say of executions, as rows of numbers: in the log and on the agents' streams alike.
//!
//! Two reports for every execution make them the larger half of the log; `log.proto` says what the rows hold.

use crate::error::WireError;
use crate::generated::log::v1 as proto;
use crate::numbers::{Numbers, Rows, fold, unfold};
use dkron_core::command::{Event, Report};
use dkron_core::execution::{Outcome, Verdict};
use dkron_core::ids::{ExecutionRef, OccurrenceRef};
use dkron_core::time::Time;

const ACCEPTED: u64 = 0;
const STARTED: u64 = 1;
const FINISHED: u64 = 2;
const EVENT: u64 = 0b11;
const OTHER_INDEX: u64 = 1 << 2;
const NOT_FIRST: u64 = 1 << 3;
const VERDICT_SHIFT: u32 = 4;
const VERDICT: u64 = 0b111 << VERDICT_SHIFT;
const CODE: u64 = 1 << 7;
const ERROR: u64 = 1 << 8;
const TAIL: u64 = 1 << 9;
const OUTPUT: u64 = 1 << 10;
const NEVER_BEGAN: u64 = 1 << 11;
const OUTCOME: u64 = VERDICT | CODE | ERROR | TAIL | OUTPUT | NEVER_BEGAN;

/// The rows of reports in an entry of this time.
pub(crate) fn encode_reports(reports: &[Report], time: Time) -> proto::Report {
    let mut writer = Writer { numbers: Numbers::default(), text: Vec::new(), time };
    let mut previous = OccurrenceRef::default();
    for report in reports {
        writer.push(previous, report);
        previous = report.execution.occurrence;
    }
    proto::Report {
        numbers: writer.numbers.finish(),
        checks: reports.iter().map(|report| report.check).collect(),
        text: writer.text.into(),
    }
}

struct Writer {
    numbers: Numbers,
    text: Vec<u8>,
    /// The time last written.
    time: Time,
}

impl Writer {
    fn push(&mut self, previous: OccurrenceRef, report: &Report) {
        let ExecutionRef { occurrence, ordinal, attempt } = report.execution;
        let mut head = match &report.event {
            Event::Accepted => ACCEPTED,
            Event::Started { .. } => STARTED,
            Event::Finished(outcome) => FINISHED | outcome_head(outcome),
        };
        if occurrence.index != previous.index {
            head |= OTHER_INDEX;
        }
        if (ordinal, attempt) != (0, 1) {
            head |= NOT_FIRST;
        }
        self.numbers.push(head);
        if head & OTHER_INDEX != 0 {
            self.numbers.push_index(previous, occurrence);
        }
        self.numbers.push_position(previous, occurrence);
        if head & NOT_FIRST != 0 {
            self.numbers.push(ordinal);
            self.numbers.push(attempt);
        }
        match &report.event {
            Event::Accepted => {}
            Event::Started { at } => self.push_time(*at),
            Event::Finished(outcome) => self.push_outcome(head, outcome),
        }
    }

    fn push_time(&mut self, time: Time) {
        self.numbers.push_nanos(self.time, time);
        self.time = time;
    }

    fn push_outcome(&mut self, head: u64, outcome: &Outcome) {
        self.push_time(outcome.finished_at);
        if head & CODE != 0 {
            self.numbers.push(outcome.code.map_or(0, |code| fold(code.into()) + 1));
        }
        if head & ERROR != 0 {
            self.push_text(outcome.error.as_bytes());
        }
        if head & TAIL != 0 {
            self.push_text(&outcome.tail);
        }
        if head & OUTPUT != 0 {
            self.numbers.push(outcome.output_bytes);
        }
        if head & NEVER_BEGAN == 0 {
            self.numbers.push_nanos(outcome.started_at, outcome.finished_at);
        }
    }

    fn push_text(&mut self, text: &[u8]) {
        self.numbers.push(text.len() as u64);
        self.text.extend_from_slice(text);
    }
}

fn outcome_head(outcome: &Outcome) -> u64 {
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    (u64::from(outcome.verdict.number()) << VERDICT_SHIFT)
        | flag(outcome.code != Some(0), CODE)
        | flag(!outcome.error.is_empty(), ERROR)
        | flag(!outcome.tail.is_empty(), TAIL)
        | flag(outcome.output_bytes != outcome.tail.len() as u64, OUTPUT)
        | flag(outcome.started_at == Time::EPOCH, NEVER_BEGAN)
}

/// The reports in these rows, of an entry of this time.
pub(crate) fn decode_reports(report: &proto::Report, time: Time) -> Result<Vec<Report>, WireError> {
    let mut reader = Reader { rows: Rows::new("report", &report.numbers), text: &report.text, time };
    let mut previous = OccurrenceRef::default();
    let mut reports = Vec::with_capacity(report.checks.len());
    for &check in &report.checks {
        let (execution, event) = reader.read(previous)?;
        previous = execution.occurrence;
        reports.push(Report { execution, check, event });
    }
    if !reader.rows.is_empty() {
        return Err(WireError::Length { field: "report.checks", found: report.checks.len() as u64 });
    }
    if !reader.text.is_empty() {
        return Err(WireError::Length { field: "report.text", found: report.text.len() as u64 });
    }
    Ok(reports)
}

struct Reader<'a> {
    rows: Rows<'a>,
    text: &'a [u8],
    /// The time last read.
    time: Time,
}

impl<'a> Reader<'a> {
    fn read(&mut self, previous: OccurrenceRef) -> Result<(ExecutionRef, Event), WireError> {
        let head = self.rows.number()?;
        let event = head & EVENT;
        let known = EVENT | OTHER_INDEX | NOT_FIRST | if event == FINISHED { OUTCOME } else { 0 };
        if head & !known != 0 || event > FINISHED {
            return Err(WireError::UnknownNumber { field: "report.head", number: head });
        }
        let index = if head & OTHER_INDEX == 0 { previous.index } else { self.rows.index(previous)? };
        let position = self.rows.position(previous, index)?;
        let occurrence = OccurrenceRef { index, position };
        let (ordinal, attempt) = match head & NOT_FIRST {
            0 => (0, 1),
            _ => (self.rows.small()?, self.rows.small()?),
        };
        let event = match event {
            ACCEPTED => Event::Accepted,
            STARTED => Event::Started { at: self.read_time()? },
            _ => Event::Finished(self.read_outcome(head)?),
        };
        Ok((ExecutionRef { occurrence, ordinal, attempt }, event))
    }

    fn read_time(&mut self) -> Result<Time, WireError> {
        self.time = self.rows.nanos(self.time)?;
        Ok(self.time)
    }

    fn read_outcome(&mut self, head: u64) -> Result<Outcome, WireError> {
        let number = (head & VERDICT) >> VERDICT_SHIFT;
        let verdict = Verdict::from_number(number as u8);
        let verdict = verdict.ok_or(WireError::UnknownNumber { field: "report.verdict", number })?;
        let finished_at = self.read_time()?;
        let code = if head & CODE == 0 { Some(0) } else { self.read_code()? };
        let error = if head & ERROR == 0 { &[][..] } else { self.read_text()? };
        let error = std::str::from_utf8(error).map_err(|_| WireError::Range { field: "report.error" })?;
        let tail = if head & TAIL == 0 { &[][..] } else { self.read_text()? };
        let output_bytes = if head & OUTPUT == 0 { tail.len() as u64 } else { self.rows.number()? };
        let started_at = match head & NEVER_BEGAN {
            0 => Time::from_nanos(finished_at.nanos().wrapping_sub(self.rows.signed()?)),
            _ => Time::EPOCH,
        };
        Ok(Outcome {
            verdict,
            started_at,
            finished_at,
            code,
            error: error.into(),
            tail: tail.into(),
            output_bytes,
        })
    }

    fn read_code(&mut self) -> Result<Option<i32>, WireError> {
        let code = self.rows.number()?.checked_sub(1).map(unfold);
        code.map(i32::try_from).transpose().map_err(|_| WireError::Range { field: "report.code" })
    }

    fn read_text(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.rows.number()?;
        let split = usize::try_from(length).ok().and_then(|length| self.text.split_at_checked(length));
        let (text, rest) = split.ok_or(WireError::Length { field: self.rows.what(), found: length })?;
        self.text = rest;
        Ok(text)
    }
}
