package applet

import (
	"runtime"
	"unsafe"
)

//go:wasmimport applet:host/db@0.1.0 query
func hostQuery(sql, sqlLength, values, count, encoding uint32, result unsafe.Pointer)

//go:wasmimport applet:host/db@0.1.0 execute
func hostExecute(sql, sqlLength, values, count uint32, result unsafe.Pointer)

//go:wasmimport applet:host/db@0.1.0 batch
func hostBatch(statements, count, encoding uint32, result unsafe.Pointer)

//go:wasmimport applet:host/db@0.1.0 begin
func hostBegin(result unsafe.Pointer)

//go:wasmimport applet:host/db@0.1.0 [method]transaction.query
func hostTransactionQuery(handle, sql, sqlLength, values, count, encoding uint32, result unsafe.Pointer)

//go:wasmimport applet:host/db@0.1.0 [method]transaction.execute
func hostTransactionExecute(handle, sql, sqlLength, values, count uint32, result unsafe.Pointer)

//go:wasmimport applet:host/db@0.1.0 [static]transaction.commit
func hostCommit(handle uint32, result unsafe.Pointer)

//go:wasmimport applet:host/db@0.1.0 [static]transaction.rollback
func hostRollback(handle uint32, result unsafe.Pointer)

//go:wasmimport applet:host/db@0.1.0 [resource-drop]transaction
func hostDrop(handle uint32)

//go:wasmimport applet:host/context@0.1.0 current
func hostContext(result unsafe.Pointer)

//go:wasmimport applet:host/log@0.1.0 write
func hostLog(level, text, length uint32)

const (
	packed = 0
	asJSON = 1
)

// resultSize is that of result<_, error>, the largest of all; what it holds is at the eighth byte.
const resultSize = 112

// call lets the host write a result, and reads it. What is in written lives until then.
func call[T any](written *writer, ask func(result unsafe.Pointer), read func(view) T) (T, error) {
	result := newBlock(resultSize)
	ask(result.pointer())
	runtime.KeepAlive(written)
	defer emptyArena()
	given := view(result.bytes(resultSize))
	if given.boolean(0) {
		var none T
		return none, errorOf(given[8:])
	}
	return read(given[8:]), nil
}

// errorOf reads the variant `error`.
func errorOf(given view) *Error {
	detail := given[8:]
	read := &Error{
		Kind:      kinds[given[0]],
		Code:      detail.text(0),
		Message:   detail.text(8),
		Table:     detail.optionalText(28),
		Column:    detail.optionalText(40),
		Operation: detail.optionalText(52),
		Hint:      detail.optionalText(64),
	}
	if detail.boolean(16) {
		read.Span = &Span{detail.u32(20), detail.u32(24)}
	}
	if detail.boolean(80) {
		after := detail.u64(88)
		read.RetryAfterMs = &after
	}
	return read
}

const (
	rowsSize   = 32
	columnSize = 12
)

func rowsOf(given view) *Rows {
	rows := &Rows{Count: given.u32(8), Truncated: given.boolean(12), Affected: given.u64(16), data: given.bytes(24)}
	given.list(0, columnSize, func(column view) {
		rows.Columns = append(rows.Columns, Column{column.text(0), types[column[8]]})
	})
	return rows
}

func nothing(view) struct{} {
	return struct{}{}
}
