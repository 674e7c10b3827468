package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	applet "applet-sdk"
)

// result is a result as the suite reads it.
type result struct {
	Columns   [][2]string `json:"columns"`
	Rows      any         `json:"rows"`
	Count     uint32      `json:"count"`
	Truncated bool        `json:"truncated"`
	Affected  uint64      `json:"affected"`
}

type failure struct {
	Error refusal `json:"error"`
}

type refusal struct {
	Kind         applet.Kind `json:"kind"`
	Code         string      `json:"code"`
	Message      string      `json:"message"`
	Span         *[2]uint32  `json:"span"`
	Table        *string     `json:"table"`
	Column       *string     `json:"column"`
	Operation    *string     `json:"operation"`
	Hint         *string     `json:"hint"`
	RetryAfterMs *uint64     `json:"retry_after_ms"`
}

// answered is what something gave, or what the host refused.
func answered(given any, err error) (any, error) {
	var refused *applet.Error
	if errors.As(err, &refused) {
		return refusalOf(refused), nil
	}
	return given, err
}

func refusalOf(refused *applet.Error) failure {
	read := refusal{
		refused.Kind, refused.Code, refused.Message, nil, refused.Table, refused.Column, refused.Operation, refused.Hint,
		refused.RetryAfterMs,
	}
	if refused.Span != nil {
		read.Span = &[2]uint32{refused.Span.Start, refused.Span.End}
	}
	return failure{read}
}

func columnsOf(columns []applet.Column) [][2]string {
	named := [][2]string{}
	for _, column := range columns {
		named = append(named, [2]string{column.Name, string(column.Type)})
	}
	return named
}

func resultOf(rows *applet.Rows) (any, error) {
	read := [][]any{}
	for row, err := range rows.All() {
		if err != nil {
			return nil, err
		}
		cells := []any{}
		for _, cell := range row {
			cells = append(cells, cellOf(cell))
		}
		read = append(read, cells)
	}
	return result{columnsOf(rows.Columns), read, rows.Count, rows.Truncated, rows.Affected}, nil
}

func cellOf(cell any) any {
	switch cell := cell.(type) {
	case int64:
		return strconv.FormatInt(cell, 10)
	case float32:
		return fmt.Sprintf("%08x", math.Float32bits(cell))
	case float64:
		return fmt.Sprintf("%016x", math.Float64bits(cell))
	case []byte:
		return hex.EncodeToString(cell)
	case applet.UUID:
		return cell.String()
	case applet.Date:
		return strconv.FormatInt(int64(cell), 10)
	case applet.TimeOfDay:
		return strconv.FormatInt(int64(cell), 10)
	case applet.Timestamp:
		return strconv.FormatInt(int64(cell), 10)
	case applet.Interval:
		return fmt.Sprintf("%d %d %d", cell.Months, cell.Days, cell.Microseconds)
	case json.RawMessage:
		return string(cell)
	default:
		return cell
	}
}
