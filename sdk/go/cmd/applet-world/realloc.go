package main

import (
	"encoding/binary"
	"errors"
)

// The SDK's arena: a mark, the bytes used from its begin and those taken from its end, each an i32, and its room.
const (
	mark      = "applet-sdk arena"
	usedPlace = int64(len(mark))
	roomPlace = usedPlace + 8
	roomSize  = 5 << 20
)

// Instructions.
const (
	opUnreachable = 0x00
	opIf          = 0x04
	opEnd         = 0x0b
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opI32Load     = 0x28
	opI32Store    = 0x36
	opI32Const    = 0x41
	opI32LtU      = 0x49
	opI32GtU      = 0x4b
	opI32Add      = 0x6a
	opI32Sub      = 0x6b
	opI32And      = 0x71
	opPrefix      = 0xfc
	opMemoryCopy  = 10
	typeI32       = 0x7f
	typeFunction  = 0x60
	noResult      = 0x40
)

// Parameters of the functions, and their one local.
const (
	localOld = iota
	localOldSize
	localAlignment
	localSize
	localAddress
)

// export is a function that is added, and the names under which the host finds it. Under cabi_realloc it is the adapter
// for WASI that does.
type export struct {
	names []string
	body  func(arena int64) []byte
}

var exports = []export{
	{[]string{"cabi_import_realloc", "cabi_export_realloc"}, use},
	{[]string{"cabi_realloc"}, take},
}

// addRealloc adds the functions that give memory of the arena, and trap when there is not enough.
func addRealloc(sections []section) error {
	var kind, function uint64
	var arena int64
	for place := range sections {
		each := &sections[place]
		var err error
		switch each.id {
		case typeSection:
			each.content, kind, err = appended(each.content,
				[]byte{typeFunction, 4, typeI32, typeI32, typeI32, typeI32, 1, typeI32})
		case importSection:
			function, err = importedFunctions(each.content)
		case functionSection:
			var own uint64
			index := binary.AppendUvarint(nil, kind)
			each.content, own, err = appended(each.content, index, index)
			function += own
		case exportSection:
			each.content, _, err = appended(each.content, exported(function)...)
		case dataSection:
			arena, err = addressOf(each.content, []byte(mark))
		}
		if err != nil {
			return err
		}
	}
	if arena == 0 {
		return errors.New("this module does not use the SDK")
	}
	for place := range sections {
		if each := &sections[place]; each.id == codeSection {
			var err error
			bodies := [][]byte{appendSized(nil, exports[0].body(arena)), appendSized(nil, exports[1].body(arena))}
			if each.content, _, err = appended(each.content, bodies...); err != nil {
				return err
			}
		}
	}
	return nil
}

func exported(function uint64) [][]byte {
	var written [][]byte
	for place, each := range exports {
		for _, name := range each.names {
			entry := append(appendSized(nil, []byte(name)), 0)
			written = append(written, binary.AppendUvarint(entry, function+uint64(place)))
		}
	}
	return written
}

// code is the body of a function while it is being written.
type code []byte

func (c code) op(bytes ...byte) code {
	return append(c, bytes...)
}

func (c code) constant(value int64) code {
	return appendSigned(append(c, opI32Const), value)
}

func (c code) load(address int64) code {
	return c.constant(address).op(opI32Load, 2, 0)
}

// trapIf traps if what was computed last is not zero.
func (c code) trapIf() code {
	return c.op(opIf, noResult, opUnreachable, opEnd)
}

// copyOld has what was at old come along, and gives the address.
func (c code) copyOld() code {
	return c.op(opLocalGet, localAddress, opLocalGet, localOld, opLocalGet, localOldSize, opPrefix, opMemoryCopy, 0, 0).
		op(opLocalGet, localAddress, opEnd)
}

// One local of type i32 besides the parameters.
func body() code {
	return code{1, 1, typeI32}
}

// use gives memory from the begin, until the SDK has read it. Everything is aligned to 8 bytes, which is the most that
// the interfaces need.
func use(arena int64) []byte {
	used, taken, base := arena+usedPlace, arena+usedPlace+4, arena+roomPlace
	// address = (used + 7) & -8, as yet from the begin of the room
	c := body().load(used).constant(7).op(opI32Add).constant(-8).op(opI32And, opLocalSet, localAddress)
	// Not enough: size > room - taken - address. Neither used nor taken is ever more than there is.
	c = c.op(opLocalGet, localSize).constant(roomSize).load(taken).op(opI32Sub, opLocalGet, localAddress, opI32Sub, opI32GtU)
	c = c.trapIf()
	// used = address + size
	c = c.constant(used).op(opLocalGet, localAddress, opLocalGet, localSize, opI32Add, opI32Store, 2, 0)
	// address += base
	c = c.op(opLocalGet, localAddress).constant(base).op(opI32Add, opLocalSet, localAddress)
	return c.copyOld()
}

// take gives memory from the end, for good.
func take(arena int64) []byte {
	used, taken, base := arena+usedPlace, arena+usedPlace+4, arena+roomPlace
	// Not enough: size > room - taken - used.
	c := body().op(opLocalGet, localSize).constant(roomSize).load(taken).op(opI32Sub).load(used).op(opI32Sub, opI32GtU)
	c = c.trapIf()
	// address = (base + room - taken - size) & -8 & -alignment; `use` relies on the 8
	c = c.constant(base+roomSize).load(taken).op(opI32Sub, opLocalGet, localSize, opI32Sub).constant(-8).op(opI32And)
	c = c.constant(0).op(opLocalGet, localAlignment, opI32Sub, opI32And, opLocalSet, localAddress)
	// Not enough, because of the alignment: address < base + used.
	c = c.op(opLocalGet, localAddress).constant(base).load(used).op(opI32Add, opI32LtU).trapIf()
	// taken = base + room - address
	c = c.constant(taken).constant(base+roomSize).op(opLocalGet, localAddress, opI32Sub, opI32Store, 2, 0)
	return c.copyOld()
}
