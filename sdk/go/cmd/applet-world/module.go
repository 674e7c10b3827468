package main

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Sections of a module, by the numbers that the specification gives them.
const (
	customSection   = 0
	typeSection     = 1
	importSection   = 2
	functionSection = 3
	exportSection   = 7
	codeSection     = 10
	dataSection     = 11
)

const header = "\x00asm\x01\x00\x00\x00"

var errDamaged = errors.New("this is not a WebAssembly module, or a damaged one")

type section struct {
	id      byte
	content []byte
}

// sectionsOf takes a module apart.
func sectionsOf(module []byte) ([]section, error) {
	rest, ok := bytes.CutPrefix(module, []byte(header))
	if !ok {
		return nil, errDamaged
	}
	var sections []section
	for len(rest) > 0 {
		content, after, err := sized(rest[1:])
		if err != nil {
			return nil, err
		}
		sections = append(sections, section{rest[0], content})
		rest = after
	}
	return sections, nil
}

// moduleOf puts a module together.
func moduleOf(sections []section) []byte {
	module := []byte(header)
	for _, section := range sections {
		module = append(module, section.id)
		module = appendSized(module, section.content)
	}
	return module
}

// number reads an unsigned number off the front.
func number(bytes []byte) (uint64, []byte, error) {
	value, size := binary.Uvarint(bytes)
	if size <= 0 {
		return 0, nil, errDamaged
	}
	return value, bytes[size:], nil
}

// signed reads a signed number off the front.
func signed(bytes []byte) (int64, []byte, error) {
	var value int64
	for at, shift := 0, 0; at < len(bytes) && shift < 64; at, shift = at+1, shift+7 {
		value |= int64(bytes[at]&0x7f) << shift
		if bytes[at] < 0x80 {
			if bytes[at]&0x40 != 0 && shift < 57 {
				value |= -1 << (shift + 7)
			}
			return value, bytes[at+1:], nil
		}
	}
	return 0, nil, errDamaged
}

// appendSigned appends a signed number.
func appendSigned(to []byte, value int64) []byte {
	for {
		low := byte(value & 0x7f)
		value >>= 7
		if value == 0 && low&0x40 == 0 || value == -1 && low&0x40 != 0 {
			return append(to, low)
		}
		to = append(to, low|0x80)
	}
}

// sized reads bytes that have their number in front.
func sized(bytes []byte) (content, rest []byte, err error) {
	length, rest, err := number(bytes)
	if err != nil || length > uint64(len(rest)) {
		return nil, nil, errDamaged
	}
	return rest[:length], rest[length:], nil
}

func appendSized(to, content []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(content))), content...)
}

// appended is a vector with elements more, and the number that it had before.
func appended(vector []byte, elements ...[]byte) ([]byte, uint64, error) {
	count, rest, err := number(vector)
	if err != nil {
		return nil, 0, err
	}
	longer := append(binary.AppendUvarint(nil, count+uint64(len(elements))), rest...)
	for _, element := range elements {
		longer = append(longer, element...)
	}
	return longer, count, nil
}

// importedFunctions counts them: they come before the module's own.
func importedFunctions(imports []byte) (uint64, error) {
	count, rest, err := number(imports)
	if err != nil {
		return 0, err
	}
	for place := range count {
		for range 2 {
			if _, rest, err = sized(rest); err != nil {
				return 0, err
			}
		}
		// Go's linker imports nothing but functions.
		if len(rest) == 0 || rest[0] != 0 {
			return place, errors.New("this module was not made by Go")
		}
		if _, rest, err = number(rest[1:]); err != nil {
			return 0, err
		}
	}
	return count, nil
}

// addressOf finds where these bytes will be in the module's memory.
func addressOf(data, mark []byte) (int64, error) {
	count, rest, err := number(data)
	if err != nil {
		return 0, err
	}
	const active, constant, end = 0, 0x41, 0x0b
	for range count {
		if len(rest) < 2 || rest[0] != active || rest[1] != constant {
			return 0, errors.New("this module was not made by Go")
		}
		offset, after, err := signed(rest[2:])
		if err != nil || len(after) == 0 || after[0] != end {
			return 0, errDamaged
		}
		var content []byte
		if content, rest, err = sized(after[1:]); err != nil {
			return 0, err
		}
		if at := bytes.Index(content, mark); at >= 0 {
			return offset + int64(at), nil
		}
	}
	return 0, errors.New("this module does not use the SDK")
}
