package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	applet "applet-sdk"
)

type statement struct {
	SQL        string                       `json:"sql"`
	Parameters []map[string]json.RawMessage `json:"parameters"`
}

type query struct {
	statement
	Encoding string `json:"encoding"`
}

// read gives the statement as the SDK takes it.
func (s statement) read() (applet.Statement, error) {
	read := applet.Statement{SQL: s.SQL}
	for _, parameter := range s.Parameters {
		for kind, written := range parameter {
			value, err := parameterOf(kind, written)
			if err != nil {
				return read, &applet.HookError{Code: "bad-payload", Message: err.Error()}
			}
			read.Parameters = append(read.Parameters, value)
		}
	}
	return read, nil
}

func parameterOf(kind string, written json.RawMessage) (any, error) {
	switch kind {
	case "null":
		return nil, nil
	case "boolean":
		var boolean bool
		err := json.Unmarshal(written, &boolean)
		return boolean, err
	}
	var text string
	if err := json.Unmarshal(written, &text); err != nil {
		return nil, err
	}
	switch kind {
	case "integer":
		return strconv.ParseInt(text, 10, 64)
	case "float":
		bits, err := strconv.ParseUint(text, 16, 64)
		return math.Float64frombits(bits), err
	case "text":
		return text, nil
	case "bytes":
		return hex.DecodeString(text)
	case "json":
		return json.RawMessage(text), nil
	default:
		return nil, fmt.Errorf("there is no parameter `%s`", kind)
	}
}
