//! Reads a schedule expression.
//!
//! The grammar is Dkron's, odd corners included, because jobs move here with the expressions they
//! have: `*-5` means `*`, `+5` is 5, an empty list item counts for nothing, weekday 7 does not exist.
//! Beyond it: five fields (second 0), and `L`, `W` and `#` in the day fields.

use jiff::Timestamp;

use super::error::{Field, FieldProblem, ScheduleError};
use super::name_hash;
use super::sets::{DayRule, Sets, Special};
use super::zone::Zone;
use super::{Kind, Parsed, Schedule};
use crate::duration::parse_duration;
use crate::time::Time;

/// Reads an expression; `job_name` gives the value of each `~`.
///
/// # Errors
/// A [`ScheduleError`] that names the field, its value and what is allowed.
pub fn parse(expression: &str, job_name: &str) -> Result<Parsed, ScheduleError> {
    let expression = name_hash::resolve(expression, job_name);
    if expression.is_empty() {
        return Err(ScheduleError::Empty);
    }
    let (zone, rest) = split_zone(&expression)?;
    let kind = if rest.starts_with('@') { descriptor(rest, zone.is_some())? } else { cron(rest)? };
    Ok(Parsed { schedule: Schedule(kind), zone })
}

/// Takes `TZ=` or `CRON_TZ=` off the front. An empty name is UTC.
fn split_zone(expression: &str) -> Result<(Option<Zone>, &str), ScheduleError> {
    let Some(named) = expression.strip_prefix("TZ=").or_else(|| expression.strip_prefix("CRON_TZ=")) else {
        return Ok((None, expression));
    };
    let (name, rest) = named.split_once(' ').unwrap_or((named, ""));
    let zone = match name {
        "" => Zone::utc(),
        "Local" => return Err(ScheduleError::LocalZone),
        _ => Zone::lookup(name)?,
    };
    match rest.trim() {
        "" => Err(ScheduleError::OnlyZone { value: expression.to_owned() }),
        rest => Ok((Some(zone), rest)),
    }
}

fn descriptor(text: &str, has_zone: bool) -> Result<Kind, ScheduleError> {
    let cron_text = match text {
        "@yearly" | "@annually" => "0 0 0 1 1 *",
        "@monthly" => "0 0 0 1 * *",
        "@weekly" => "0 0 0 * * 0",
        "@daily" | "@midnight" => "0 0 0 * * *",
        "@hourly" => "0 0 * * * *",
        _ => return special_descriptor(text, has_zone),
    };
    cron(cron_text)
}

/// The descriptors that are not short for fields, and `@minutely`, which like them stands alone.
fn special_descriptor(text: &str, has_zone: bool) -> Result<Kind, ScheduleError> {
    if let Some(duration) = text.strip_prefix("@every ") {
        let seconds = parse_duration(duration)?.nanos() / 1_000_000_000;
        return Ok(Kind::Every(seconds.max(1)));
    }
    let kind = match text {
        "@manually" => Kind::Never,
        "@minutely" => cron("0 * * * * *")?,
        _ => match text.strip_prefix("@at ") {
            Some(instant) => Kind::At(at(instant)?),
            None => return Err(ScheduleError::Descriptor { value: text.to_owned() }),
        },
    };
    if has_zone {
        return Err(ScheduleError::DescriptorZone { value: text.to_owned() });
    }
    Ok(kind)
}

/// Reads RFC 3339; a fraction of a second counts as the next whole one, so nothing starts early.
fn at(text: &str) -> Result<Time, ScheduleError> {
    let refused = || ScheduleError::At { value: text.to_owned() };
    if !is_rfc_3339(text) {
        return Err(refused());
    }
    let instant: Timestamp = text.parse().map_err(|_| refused())?;
    let nanos = i64::try_from(instant.as_nanosecond()).map_err(|_| refused())?;
    let whole = Time::from_nanos(nanos).floor_second();
    let seconds = whole.seconds() + i64::from(whole.nanos() != nanos);
    if !(i64::MIN / 1_000_000_000..=i64::MAX / 1_000_000_000).contains(&seconds) {
        return Err(refused());
    }
    Ok(Time::from_seconds(seconds))
}

/// Whether a text has the shape `dddd-dd-ddTdd:dd:dd`, a fraction at will, and `Z` or `+dd:dd`. The
/// date library reads many more shapes, and a second of 60.
fn is_rfc_3339(text: &str) -> bool {
    let shaped = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(letter, kind)| match kind {
                b'0' => letter.is_ascii_digit(),
                b'+' => letter == b'+' || letter == b'-',
                _ => letter == kind,
            })
    };
    let Some((date_time, tail)) = text.split_at_checked(19) else { return false };
    let zone = match tail.strip_prefix('.') {
        None => tail,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
    };
    shaped(date_time, "0000-00-00T00:00:00")
        && !date_time.ends_with("60")
        && (zone == "Z" || shaped(zone, "+00:00"))
}

/// Reads six fields, or five that leave out the second.
fn cron(text: &str) -> Result<Kind, ScheduleError> {
    let parts: Vec<&str> = text.split_whitespace().take(7).collect();
    let (second, others) = match parts.as_slice() {
        [second, others @ ..] if others.len() == 5 => (*second, others),
        others if others.len() == 5 => ("0", others),
        _ => {
            let found = text.split_whitespace().count();
            return Err(ScheduleError::FieldCount { expression: text.to_owned(), found });
        }
    };
    let mut special = Special::default();
    let second = list(Field::Second, second, &mut special)?;
    let minute = list(Field::Minute, others[0], &mut special)?;
    let hour = list(Field::Hour, others[1], &mut special)?;
    let day = list(Field::DayOfMonth, others[2], &mut special)?;
    let month = list(Field::Month, others[3], &mut special)?;
    let weekday = list(Field::DayOfWeek, others[4], &mut special)?;
    Ok(Kind::Cron(Sets {
        seconds: second.values,
        minutes: minute.values,
        special: (special != Special::default()).then(|| Box::new(special)),
        hours: hour.values as u32,
        days: day.values as u32,
        months: month.values as u16,
        weekdays: weekday.values as u8,
        rule: if day.star || weekday.star { DayRule::Both } else { DayRule::Either },
    }))
}

/// The values that a list names.
#[derive(Clone, Copy, Default)]
struct Values {
    /// Bit `n` for value `n`.
    values: u64,
    /// Whether one of its items is `*` or `?` with no step above 1.
    star: bool,
}

fn list(field: Field, text: &str, special: &mut Special) -> Result<Values, ScheduleError> {
    let mut all = Values::default();
    for item in text.split(',').filter(|item| !item.is_empty()) {
        let refuse = |problem| ScheduleError::Field { field, value: item.to_owned(), problem };
        if item.contains('~') {
            return Err(refuse(FieldProblem::Tilde));
        }
        if !special_day(field, item, special).map_err(refuse)? {
            let values = range(field, item).map_err(refuse)?;
            all.values |= values.values;
            all.star |= values.star;
        }
    }
    Ok(all)
}

/// Reads `*`, `a`, `a-b`, each with a step at will.
fn range(field: Field, item: &str) -> Result<Values, FieldProblem> {
    let (lowest, highest) = field.bounds();
    let (ends, step_text) = match item.split_once('/') {
        Some((ends, step)) if !step.contains('/') => (ends, Some(step)),
        Some(_) => return Err(FieldProblem::Slashes),
        None => (item, None),
    };
    let step = match step_text {
        Some(text) => integer(text).filter(|step| *step > 0).ok_or(FieldProblem::Step)?,
        None => 1,
    };
    let (first, second) = match ends.split_once('-') {
        Some((first, second)) => (first, Some(second)),
        None => (ends, None),
    };
    let star = matches!(first, "*" | "?");
    let (start, end) = match second {
        _ if star => (lowest, highest),
        Some(second) if second.contains('-') => return Err(FieldProblem::Hyphens),
        Some(second) => (value(field, first)?, value(field, second)?),
        None if step_text.is_some() => (value(field, first)?, highest),
        None => (value(field, first)?, value(field, first)?),
    };
    if start > end {
        return Err(FieldProblem::Reversed);
    }
    let values = (start..=end).step_by(step as usize).fold(0, |set, value| set | 1_u64 << value);
    Ok(Values { values, star: star && step == 1 })
}

/// A number or name within the field's bounds.
fn value(field: Field, text: &str) -> Result<u32, FieldProblem> {
    let (lowest, highest) = field.bounds();
    if let Some(index) = field.names().iter().position(|name| name.eq_ignore_ascii_case(text)) {
        return Ok(lowest + index as u32);
    }
    let value = integer(text).ok_or(FieldProblem::Unknown)?;
    if (lowest..=highest).contains(&value) { Ok(value) } else { Err(FieldProblem::OutOfRange) }
}

/// Decimal digits, with a plus sign at will; a number too large is cut to the largest.
fn integer(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

/// Reads the forms of `L`, `W` and `#` into `special`; false when the item is none of them.
fn special_day(field: Field, item: &str, special: &mut Special) -> Result<bool, FieldProblem> {
    let upper = item.to_ascii_uppercase();
    match field {
        Field::DayOfMonth if upper.starts_with('L') || upper.ends_with('W') => {
            special_day_of_month(&upper, special)?;
        }
        Field::DayOfWeek if upper.contains('#') || upper.ends_with('L') => {
            special_day_of_week(&upper, special)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn special_day_of_month(item: &str, special: &mut Special) -> Result<(), FieldProblem> {
    let number = |text: &str, bounds: std::ops::RangeInclusive<u32>| match integer(text) {
        Some(number) if bounds.contains(&number) => Ok(number),
        Some(_) => Err(FieldProblem::OutOfRange),
        None => Err(FieldProblem::Special),
    };
    if item == "L" {
        special.from_end |= 1;
    } else if item == "LW" {
        special.nearest |= 1;
    } else if let Some(before) = item.strip_prefix("L-") {
        special.from_end |= 1 << number(before, 1..=30)?;
    } else if let Some(day) = item.strip_suffix('W') {
        special.nearest |= 1 << number(day, 1..=31)?;
    } else {
        return Err(FieldProblem::Special);
    }
    Ok(())
}

fn special_day_of_week(item: &str, special: &mut Special) -> Result<(), FieldProblem> {
    if let Some((weekday, week)) = item.split_once('#') {
        let bit = 1 << value(Field::DayOfWeek, weekday)?;
        let index = integer(week).ok_or(FieldProblem::Special)?.wrapping_sub(1) as usize;
        *special.nth.get_mut(index).ok_or(FieldProblem::OutOfRange)? |= bit;
    } else if let Some(weekday) = item.strip_suffix('L').filter(|weekday| !weekday.is_empty()) {
        special.last |= 1 << value(Field::DayOfWeek, weekday)?;
    } else {
        return Err(FieldProblem::Special);
    }
    Ok(())
}
