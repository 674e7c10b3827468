package applet

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"math"
)

// Type says how the cells of a column are read, as the WIT names it.
type Type string

// types is in the order of the WIT.
var types = []Type{
	"boolean", "int16", "int32", "int64", "float32", "float64", "numeric", "text", "bytes", "uuid", "date", "time",
	"timestamp", "timestamptz", "interval", "json", "array",
}

// Column is a column of a result.
type Column struct {
	Name string
	Type Type
}

// Numeric is an exact decimal number, as text: it never loses a digit. Also NaN, Infinity and -Infinity.
type Numeric string

// UUID is a UUID.
type UUID [16]byte

// String is the usual form.
func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// Date is days since 1970-01-01. The smallest and largest number are -infinity and infinity.
type Date int32

// TimeOfDay is microseconds since midnight.
type TimeOfDay int64

// Timestamp is microseconds since 1970-01-01T00:00, in UTC for timestamptz. The smallest and largest number are
// -infinity and infinity.
type Timestamp int64

// Interval is a span of time, in the three parts that PostgreSQL keeps apart.
type Interval struct {
	Months, Days int32
	Microseconds int64
}

// Rows is a result.
type Rows struct {
	// Columns are the columns, left to right.
	Columns []Column
	// Count says how many rows there are.
	Count uint32
	// Truncated says whether rows beyond the host's cap were left out.
	Truncated bool
	// Affected says how many rows a write changed, or a read returned.
	Affected uint64
	data     []byte
}

// Row is the cells of a row: nil for NULL, else bool, int16, int32, int64, float32, float64, Numeric, string,
// []byte, UUID, Date, TimeOfDay, Timestamp, Interval, or json.RawMessage for json and arrays.
type Row []any

// All walks the rows.
func (r *Rows) All() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		rest := r.data
		for range r.Count {
			row := make(Row, len(r.Columns))
			for place, column := range r.Columns {
				cell, after, ok := readCell(column.Type, rest)
				if !ok {
					yield(nil, decodeError("the cells of column `%s` are damaged", column.Name))
					return
				}
				row[place], rest = cell, after
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// First reads the cells of the first row into these variables, see Scan.
func (r *Rows) First(into ...any) error {
	for row, err := range r.All() {
		if err != nil {
			return err
		}
		return row.Scan(into...)
	}
	return decodeError("a row was expected, there is none")
}

// Scan reads the cells, from the left, into these variables: a pointer to the cell's own type, to *any, or to an int64
// for any whole number. NULL fits pointers to *any only.
func (r Row) Scan(into ...any) error {
	if len(into) > len(r) {
		return decodeError("%d cells were asked for, there are %d", len(into), len(r))
	}
	for place, target := range into {
		if !scan(r[place], target) {
			return decodeError("the cell in place %d does not fit %T", place+1, target)
		}
	}
	return nil
}

func scan(cell, target any) bool {
	switch target := target.(type) {
	case *any:
		*target = cell
		return true
	case *int64:
		switch number := cell.(type) {
		case int16:
			*target = int64(number)
		case int32:
			*target = int64(number)
		case int64:
			*target = number
		default:
			return false
		}
		return true
	case *bool:
		return assign(cell, target)
	case *int16:
		return assign(cell, target)
	case *int32:
		return assign(cell, target)
	case *float32:
		return assign(cell, target)
	case *float64:
		return assign(cell, target)
	case *Numeric:
		return assign(cell, target)
	case *string:
		return assign(cell, target)
	case *[]byte:
		return assign(cell, target)
	case *UUID:
		return assign(cell, target)
	case *Date:
		return assign(cell, target)
	case *TimeOfDay:
		return assign(cell, target)
	case *Timestamp:
		return assign(cell, target)
	case *Interval:
		return assign(cell, target)
	case *json.RawMessage:
		return assign(cell, target)
	default:
		return false
	}
}

func assign[T any](cell any, target *T) bool {
	value, ok := cell.(T)
	if ok {
		*target = value
	}
	return ok
}

// nullCell is the length of a cell that is NULL.
const nullCell = math.MaxUint32

// readCell reads a cell off the front of data, whose format is in types.wit, and gives the rest.
func readCell(kind Type, data []byte) (cell any, rest []byte, ok bool) {
	if len(data) < 4 {
		return nil, nil, false
	}
	length := binary.LittleEndian.Uint32(data)
	data = data[4:]
	if length == nullCell {
		return nil, data, true
	}
	if uint64(length) > uint64(len(data)) {
		return nil, nil, false
	}
	bytes, rest := data[:length:length], data[length:]
	if size, fixed := sizes[kind]; fixed && int(length) != size {
		return nil, nil, false
	}
	return cellOf(kind, bytes), rest, true
}

var sizes = map[Type]int{
	"boolean": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "float64": 8, "uuid": 16, "date": 4, "time": 8,
	"timestamp": 8, "timestamptz": 8, "interval": 16,
}

// cellOf reads a cell whose length fits its type.
func cellOf(kind Type, bytes []byte) any {
	number := binary.LittleEndian
	switch kind {
	case "boolean":
		return bytes[0] != 0
	case "int16":
		return int16(number.Uint16(bytes))
	case "int32":
		return int32(number.Uint32(bytes))
	case "int64":
		return int64(number.Uint64(bytes))
	case "float32":
		return math.Float32frombits(number.Uint32(bytes))
	case "float64":
		return math.Float64frombits(number.Uint64(bytes))
	case "numeric":
		return Numeric(bytes)
	case "bytes":
		return bytes
	case "uuid":
		return UUID(bytes)
	case "date":
		return Date(number.Uint32(bytes))
	case "time":
		return TimeOfDay(number.Uint64(bytes))
	case "timestamp", "timestamptz":
		return Timestamp(number.Uint64(bytes))
	case "interval":
		return Interval{int32(number.Uint32(bytes)), int32(number.Uint32(bytes[4:])), int64(number.Uint64(bytes[8:]))}
	case "json", "array":
		return json.RawMessage(bytes)
	default:
		return string(bytes)
	}
}
