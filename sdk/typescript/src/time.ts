/**
 * Dates and times as PostgreSQL has them, for exact values. Their text is PostgreSQL's own input form, so that
 * a value that was read can be handed back as a parameter.
 */

const MICROS_PER_SECOND = 1_000_000n;
const MICROS_PER_DAY = 86_400n * MICROS_PER_SECOND;
const MILLIS_PER_DAY = 86_400_000;

const SMALLEST_DAY = -(2 ** 31);
const LARGEST_DAY = 2 ** 31 - 1;
const SMALLEST = -(2n ** 63n);
const LARGEST = 2n ** 63n - 1n;

/** A calendar day. */
export class CalendarDate {
  /** Days since 1970-01-01; the smallest and largest 32 bit number are -infinity and infinity. */
  readonly days: number;

  constructor(days: number) {
    this.days = days;
  }

  /** `2026-01-31`. */
  toString(): string {
    if (this.days === SMALLEST_DAY) {
      return "-infinity";
    }
    return this.days === LARGEST_DAY ? "infinity" : writeDay(this.days);
  }

  toJSON(): string {
    return this.toString();
  }
}

/** A time of day. */
export class TimeOfDay {
  /** Microseconds since midnight. */
  readonly microseconds: bigint;

  constructor(microseconds: bigint) {
    this.microseconds = microseconds;
  }

  /** `13:05:00.25`. */
  toString(): string {
    return writeClock(this.microseconds);
  }

  toJSON(): string {
    return this.toString();
  }
}

/** A moment (`timestamptz`), or a date and time without zone (`timestamp`). */
export class Timestamp {
  /** Microseconds since 1970-01-01T00:00; the smallest and largest 64 bit number are -infinity and infinity. */
  readonly microseconds: bigint;

  constructor(microseconds: bigint) {
    this.microseconds = microseconds;
  }

  /** The moment as a `Date`, which has milliseconds only. */
  toDate(): Date {
    return new Date(Number(floorDivide(this.microseconds, 1_000n)));
  }

  /** RFC 3339: `2026-01-31T13:05:00.25Z`. */
  toString(): string {
    if (this.microseconds === SMALLEST) {
      return "-infinity";
    }
    if (this.microseconds === LARGEST) {
      return "infinity";
    }
    const days = floorDivide(this.microseconds, MICROS_PER_DAY);
    const [day, era] = splitEra(writeDay(Number(days)));
    return `${day}T${writeClock(this.microseconds - days * MICROS_PER_DAY)}Z${era}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** A span of time, in the three parts that PostgreSQL keeps apart. */
export class Interval {
  readonly months: number;
  readonly days: number;
  readonly microseconds: bigint;

  constructor(months: number, days: number, microseconds: bigint) {
    this.months = months;
    this.days = days;
    this.microseconds = microseconds;
  }

  /** PostgreSQL reads this form whatever its settings. */
  toString(): string {
    return `${this.months} months ${this.days} days ${this.microseconds} microseconds`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** A moment as PostgreSQL reads it. `toISOString` is not that before year 0 and after year 9999. */
export function writeDate(date: Date): string {
  const millis = date.getTime();
  const days = Math.floor(millis / MILLIS_PER_DAY);
  const [day, era] = splitEra(writeDay(days));
  return `${day}T${writeClock(BigInt(millis - days * MILLIS_PER_DAY) * 1_000n)}Z${era}`;
}

/** The `Date` of a moment as the host writes it; NaN inside where there is none. */
export function readDate(text: string): Date {
  // Nearly all of them: the engine reads years of four digits itself.
  if (text.length <= 27 && text.charAt(4) === "-" && text.endsWith("Z")) {
    return new Date(text);
  }
  const read = /^(\d{4,6})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?Z( BC)?$/.exec(text);
  if (read === null) {
    return new Date(Number.NaN);
  }
  const part = (place: number): number => Number(read[place]);
  const year = read[8] === undefined ? part(1) : 1 - part(1);
  const millis = Number((read[7] ?? "").padEnd(3, "0").slice(0, 3));
  const date = new Date(0);
  // Not Date.UTC, which takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, part(2) - 1, part(3));
  date.setUTCHours(part(4), part(5), part(6), millis);
  return date;
}

/** `2026-01-31`, or `0044-03-15 BC`: the proleptic Gregorian day, by era of 400 years. */
function writeDay(daysSince1970: number): string {
  const days = daysSince1970 + 719_468;
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  // There is no year 0: 1 BC is followed by 1 AD.
  const shown = pad(year > 0 ? year : 1 - year, 4);
  return `${shown}-${pad(month, 2)}-${pad(day, 2)}${year > 0 ? "" : " BC"}`;
}

function splitEra(day: string): [string, string] {
  return day.endsWith(" BC") ? [day.slice(0, -3), " BC"] : [day, ""];
}

/** `hh:mm:ss[.ffffff]`, without trailing zeros. */
function writeClock(micros: bigint): string {
  const seconds = Number(micros / MICROS_PER_SECOND);
  const fraction = Number(micros % MICROS_PER_SECOND);
  const clock = `${pad(Math.floor(seconds / 3_600), 2)}:${pad(Math.floor(seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}`;
  return fraction === 0 ? clock : `${clock}.${pad(fraction, 6).replace(/0+$/, "")}`;
}

function pad(number: number, digits: number): string {
  return String(number).padStart(digits, "0");
}

function floorDivide(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  return dividend < 0n && quotient * divisor !== dividend ? quotient - 1n : quotient;
}
