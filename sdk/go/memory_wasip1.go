package applet

import (
	"encoding/binary"
	"unsafe"
)

// answer holds what the last hook gave, so that Go's collector leaves it alone until the next is called.
var answer []block

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

// room is what the host's results and payloads have to fit into: more than a result may have (4 MiB), with its columns.
const room = 5 << 20

// arena is where the host writes. It asks for memory before Go's runtime has started, and at moments when nothing of
// the applet may call the host, while Go's scheduler reads the clock whenever it likes; and Go does not expect anybody
// else to make its memory grow. So the functions that give the host memory are none of Go's. The command applet-world
// adds them to the module: it finds this variable by its mark, and knows what follows it.
var arena = struct {
	mark [16]byte
	// used says how many bytes from the begin of room hold what is to be read next.
	used uint32
	// taken says how many bytes at its end are gone for good: the adapter for WASI keeps its own things there.
	taken uint32
	room  [room / 8]uint64
}{mark: [16]byte{'a', 'p', 'p', 'l', 'e', 't', '-', 's', 'd', 'k', ' ', 'a', 'r', 'e', 'n', 'a'}}

// emptyArena makes room for what the host writes next, once everything was read.
func emptyArena() {
	arena.used = 0
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
