package applet

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Cases of the variant `value`, in the order of the WIT.
const (
	caseNull = iota
	caseBoolean
	caseInteger
	caseFloat
	caseText
	caseBytes
	caseJSON
)

// value is a bind parameter as the WIT has it.
type value struct {
	kind byte
	// bits of a boolean, integer or float.
	bits uint64
	// bytes of text, bytes or JSON.
	bytes []byte
}

// valueOf is the bind parameter that a Go value is: nil, booleans, numbers, strings, []byte, json.RawMessage, and what
// is written as text.
func valueOf(parameter any) (value, error) {
	switch parameter := parameter.(type) {
	case nil:
		return value{kind: caseNull}, nil
	case bool:
		bits := uint64(0)
		if parameter {
			bits = 1
		}
		return value{kind: caseBoolean, bits: bits}, nil
	case int:
		return value{kind: caseInteger, bits: uint64(parameter)}, nil
	case int16:
		return value{kind: caseInteger, bits: uint64(parameter)}, nil
	case int32:
		return value{kind: caseInteger, bits: uint64(parameter)}, nil
	case int64:
		return value{kind: caseInteger, bits: uint64(parameter)}, nil
	case float32:
		return value{kind: caseFloat, bits: math.Float64bits(float64(parameter))}, nil
	case float64:
		return value{kind: caseFloat, bits: math.Float64bits(parameter)}, nil
	case string:
		return value{kind: caseText, bytes: []byte(parameter)}, nil
	case Numeric:
		return value{kind: caseText, bytes: []byte(parameter)}, nil
	case UUID:
		return value{kind: caseText, bytes: []byte(parameter.String())}, nil
	case time.Time:
		return value{kind: caseText, bytes: []byte(parameter.Format(time.RFC3339Nano))}, nil
	case []byte:
		return value{kind: caseBytes, bytes: parameter}, nil
	case json.RawMessage:
		return value{kind: caseJSON, bytes: parameter}, nil
	default:
		return value{}, &Error{
			Kind: InvalidArgument, Code: "bad-parameter", Message: fmt.Sprintf("a %T is no parameter", parameter),
		}
	}
}

func valuesOf(parameters []any) ([]value, error) {
	values := make([]value, len(parameters))
	for place, parameter := range parameters {
		var err error
		if values[place], err = valueOf(parameter); err != nil {
			return nil, err
		}
	}
	return values, nil
}
