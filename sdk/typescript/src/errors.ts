/** Errors: what the host refused and why, and what a hook answers when it fails. */

/** The family an error belongs to: a case of the host's `error`, or this SDK's own `decode` and `builder`. */
export type ErrorKind =
  | "permission-denied"
  | "statement-rejected"
  | "invalid-argument"
  | "data-error"
  | "limit-exceeded"
  | "constraint-violation"
  | "conflict"
  | "timeout"
  | "busy"
  | "unavailable"
  | "outcome-unknown"
  | "internal"
  | "decode"
  | "builder";

/** A place in a statement, in bytes of its UTF-8 text; the end is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What is known about an error. */
export interface ErrorDetail {
  /** The stable code, for example `table-not-allowed`. */
  readonly code: string;
  /** One sentence. */
  readonly message: string;
  /** Where in the statement. */
  readonly span?: Span | null | undefined;
  /** The table concerned. */
  readonly table?: string | null | undefined;
  /** The column concerned. */
  readonly column?: string | null | undefined;
  /** The operation concerned: read, insert, update, soft-delete, hard-delete. */
  readonly operation?: string | null | undefined;
  /** What to change so that it is allowed. */
  readonly hint?: string | null | undefined;
  /** After how many milliseconds trying again makes sense. */
  readonly retryAfterMs?: number | bigint | null | undefined;
}

/** What went wrong with a statement, where, and what would allow it. The base of all errors of the database. */
export abstract class DatabaseError extends Error {
  /** The family, for a `switch`; the class says the same. */
  abstract readonly kind: ErrorKind;
  /** The stable code, for example `table-not-allowed`. */
  readonly code: string;
  /** Where in the statement, in bytes; the end is exclusive. */
  readonly span: Span | null;
  /** The table concerned. */
  readonly table: string | null;
  /** The column concerned. */
  readonly column: string | null;
  /** The operation concerned. */
  readonly operation: string | null;
  /** What to change so that it is allowed. */
  readonly hint: string | null;
  /** After how many milliseconds trying again makes sense. */
  readonly retryAfterMs: number | null;

  constructor(detail: ErrorDetail) {
    super(detail.message);
    this.code = detail.code;
    this.span = detail.span ?? null;
    this.table = detail.table ?? null;
    this.column = detail.column ?? null;
    this.operation = detail.operation ?? null;
    this.hint = detail.hint ?? null;
    this.retryAfterMs = detail.retryAfterMs == null ? null : Number(detail.retryAfterMs);
  }

  override get name(): string {
    return this.constructor.name;
  }

  /** `code: message (hint)`. */
  override toString(): string {
    return `${this.code}: ${this.message}${this.hint === null ? "" : ` (${this.hint})`}`;
  }
}

/** Not granted. */
export class PermissionDenied extends DatabaseError {
  readonly kind = "permission-denied";
}

/** The statement is refused whatever is granted. */
export class StatementRejected extends DatabaseError {
  readonly kind = "statement-rejected";
}

/** An argument is not what the call expects. */
export class InvalidArgument extends DatabaseError {
  readonly kind = "invalid-argument";
}

/** The database could not compute with these values. */
export class DataError extends DatabaseError {
  readonly kind = "data-error";
}

/** A limit is reached. */
export class LimitExceeded extends DatabaseError {
  readonly kind = "limit-exceeded";
}

/** A constraint forbids the write. */
export class ConstraintViolation extends DatabaseError {
  readonly kind = "constraint-violation";
}

/** Lost against a concurrent transaction; try again. */
export class Conflict extends DatabaseError {
  readonly kind = "conflict";
}

/** Not finished in time; may be tried again. */
export class Timeout extends DatabaseError {
  readonly kind = "timeout";
}

/** No connection is free; try again later. */
export class Busy extends DatabaseError {
  readonly kind = "busy";
}

/** The database or the applet is not available. */
export class Unavailable extends DatabaseError {
  readonly kind = "unavailable";
}

/** A commit was sent and its answer lost: it may or may not have happened. */
export class OutcomeUnknown extends DatabaseError {
  readonly kind = "outcome-unknown";
}

/** The host's fault; the message has a reference for its operator. */
export class Internal extends DatabaseError {
  readonly kind = "internal";
}

/** A cell cannot be given as the value that its column should have, without losing something. */
export class DecodeError extends DatabaseError {
  readonly kind = "decode";

  constructor(message: string, column: string | null = null) {
    super({ code: "decode", message, column });
  }
}

/** The query builder, or a parameter, was given something that cannot be written as SQL. */
export class BuilderError extends DatabaseError {
  readonly kind = "builder";

  constructor(message: string) {
    super({ code: "builder", message });
  }
}

/** What a hook answers when it fails for a reason of its own. */
export class HookError extends Error {
  /** The applet's own code, kebab-case. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }

  override get name(): string {
    return "HookError";
  }

  /** `code: message`. */
  override toString(): string {
    return `${this.code}: ${this.message}`;
  }
}

const CLASSES: Readonly<Record<string, new (detail: ErrorDetail) => DatabaseError>> = {
  "permission-denied": PermissionDenied,
  "statement-rejected": StatementRejected,
  "invalid-argument": InvalidArgument,
  "data-error": DataError,
  "limit-exceeded": LimitExceeded,
  "constraint-violation": ConstraintViolation,
  conflict: Conflict,
  timeout: Timeout,
  busy: Busy,
  unavailable: Unavailable,
  "outcome-unknown": OutcomeUnknown,
  internal: Internal,
};

/** The error of this SDK for what a host call threw. What the host did not throw is given back as it is. */
export function fromHost(thrown: unknown): unknown {
  const payload = (thrown as { payload?: { tag?: unknown; val?: unknown } } | null | undefined)?.payload;
  const kind = typeof payload?.tag === "string" ? CLASSES[payload.tag] : undefined;
  return kind === undefined ? thrown : new kind(payload?.val as ErrorDetail);
}
