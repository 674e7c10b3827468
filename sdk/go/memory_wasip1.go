package applet

import (
	"encoding/binary"
	"unsafe"
)

// Blocks that the host knows by their address. Go's collector does not move them, and does not free them as long as
// they stand here.
var (
	// fromHost holds what the host has written, until it is read.
	fromHost []block
	// answer holds what the last hook gave, until the next is called.
	answer []block
)

// block is memory, aligned for everything that the interfaces have.
type block []uint64

func newBlock(size uint32) block {
	// Never empty, so that it has an address.
	return make(block, size/8+1)
}

func (b block) bytes(size uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b))), size)
}

func (b block) pointer() unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(b))
}

func (b block) address() uint32 {
	return uint32(uintptr(b.pointer()))
}

// The names matter: an export that is called cabi_realloc would be used by the adapter for WASI before Go's runtime
// has started.

//go:wasmexport cabi_import_realloc
func importRealloc(old unsafe.Pointer, oldSize, alignment, newSize uint32) unsafe.Pointer {
	return reallocate(old, oldSize, newSize)
}

//go:wasmexport cabi_export_realloc
func exportRealloc(old unsafe.Pointer, oldSize, alignment, newSize uint32) unsafe.Pointer {
	return reallocate(old, oldSize, newSize)
}

func reallocate(old unsafe.Pointer, oldSize, newSize uint32) unsafe.Pointer {
	fresh := newBlock(newSize)
	copy(fresh.bytes(newSize), unsafe.Slice((*byte)(old), oldSize))
	fromHost = append(fromHost, fresh)
	return fresh.pointer()
}

// writer lays out what is handed to the host. Its blocks are kept by whoever keeps it.
type writer struct {
	blocks []block
}

// take makes a block and gives its bytes and its address.
func (w *writer) take(size uint32) ([]byte, uint32) {
	fresh := newBlock(size)
	w.blocks = append(w.blocks, fresh)
	return fresh.bytes(size), fresh.address()
}

// text copies text, so that it has an address that stays.
func (w *writer) text(text []byte) (address, length uint32) {
	bytes, address := w.take(uint32(len(text)))
	copy(bytes, text)
	return address, uint32(len(text))
}

// putText writes address and length of a copy of text.
func (w *writer) putText(at []byte, text []byte) {
	address, length := w.text(text)
	put32(at, address)
	put32(at[4:], length)
}

const valueSize = 16

// values lays out list<value>: a byte that says which case, its payload at the eighth.
func (w *writer) values(values []value) (address, length uint32) {
	bytes, address := w.take(uint32(len(values)) * valueSize)
	for place, value := range values {
		at := bytes[place*valueSize:]
		at[0] = value.kind
		switch value.kind {
		case caseText, caseBytes, caseJSON:
			w.putText(at[8:], value.bytes)
		default:
			binary.LittleEndian.PutUint64(at[8:], value.bits)
		}
	}
	return address, uint32(len(values))
}

func put32(at []byte, number uint32) {
	binary.LittleEndian.PutUint32(at, number)
}

// view is memory that the host has written.
type view []byte

func viewOf(address, size uint32) view {
	if size == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(nil, address)), size)
}

func (v view) u32(at int) uint32 {
	return binary.LittleEndian.Uint32(v[at:])
}

func (v view) u64(at int) uint64 {
	return binary.LittleEndian.Uint64(v[at:])
}

func (v view) boolean(at int) bool {
	return v[at] != 0
}

// bytes is a copy of the list<u8> or string at this place.
func (v view) bytes(at int) []byte {
	return append([]byte{}, viewOf(v.u32(at), v.u32(at+4))...)
}

func (v view) text(at int) string {
	return string(viewOf(v.u32(at), v.u32(at+4)))
}

// optionalText is option<string>.
func (v view) optionalText(at int) *string {
	if !v.boolean(at) {
		return nil
	}
	text := v.text(at + 4)
	return &text
}

// list walks a list of elements of this size.
func (v view) list(at int, size uint32, each func(view)) {
	address, length := v.u32(at), v.u32(at+4)
	for place := range length {
		each(viewOf(address+place*size, size))
	}
}
