package applet

import "fmt"

// Kind is the family an error belongs to, as the WIT names it.
type Kind string

// The kinds that the host knows, and one of this package.
const (
	PermissionDenied    Kind = "permission-denied"
	StatementRejected   Kind = "statement-rejected"
	InvalidArgument     Kind = "invalid-argument"
	DataError           Kind = "data-error"
	LimitExceeded       Kind = "limit-exceeded"
	ConstraintViolation Kind = "constraint-violation"
	Conflict            Kind = "conflict"
	Timeout             Kind = "timeout"
	Busy                Kind = "busy"
	Unavailable         Kind = "unavailable"
	OutcomeUnknown      Kind = "outcome-unknown"
	Internal            Kind = "internal"
	// Decode: a cell does not fit what it was to be read into, or there is none.
	Decode Kind = "decode"
)

// kinds is in the order of the WIT.
var kinds = []Kind{
	PermissionDenied, StatementRejected, InvalidArgument, DataError, LimitExceeded, ConstraintViolation, Conflict,
	Timeout, Busy, Unavailable, OutcomeUnknown, Internal,
}

// Span is a place in a statement, in bytes; the end is exclusive.
type Span struct {
	Start, End uint32
}

// Error is what the host refused, where, and what would allow it. What there is none of is nil.
type Error struct {
	Kind Kind
	// Code is stable, for example "table-not-allowed".
	Code string
	// Message is one sentence.
	Message string
	// Span is where in the statement.
	Span *Span
	// Table, Column and Operation are those concerned.
	Table, Column, Operation *string
	// Hint says what to change so that it is allowed.
	Hint *string
	// RetryAfterMs says after how many milliseconds trying again makes sense.
	RetryAfterMs *uint64
}

// Error is the code, the message and the hint.
func (e *Error) Error() string {
	if e.Hint != nil {
		return fmt.Sprintf("%s: %s (%s)", e.Code, e.Message, *e.Hint)
	}
	return e.Code + ": " + e.Message
}

func decodeError(format string, arguments ...any) *Error {
	return &Error{Kind: Decode, Code: "decode", Message: fmt.Sprintf(format, arguments...)}
}

// HookError is what a hook answers when it fails. Every other error becomes one: an *Error with its own code.
type HookError struct {
	// Code is the applet's own, kebab-case.
	Code string
	// Message is for people.
	Message string
}

// Error is the code and the message.
func (e *HookError) Error() string {
	return e.Code + ": " + e.Message
}
