package applet

import "unsafe"

// Statement is a statement with $1…$n, and its parameters in order.
type Statement struct {
	SQL        string
	Parameters []any
}

// JSONRows is a result as JSON text: an array of rows, each an array of values. Whole numbers beyond 2^53, decimals,
// NaN and infinities are strings.
type JSONRows struct {
	Columns   []Column
	Text      []byte
	Count     uint32
	Truncated bool
	Affected  uint64
}

// runner is the database, or an open transaction.
type runner struct {
	query   func(sql, sqlLength, values, count, encoding uint32, result unsafe.Pointer)
	execute func(sql, sqlLength, values, count uint32, result unsafe.Pointer)
}

var directly = runner{hostQuery, hostExecute}

func (r runner) rows(sql string, parameters []any, encoding uint32) (*Rows, error) {
	values, err := valuesOf(parameters)
	if err != nil {
		return nil, err
	}
	written := &writer{}
	text, length := written.text([]byte(sql))
	list, count := written.values(values)
	return call(written, func(result unsafe.Pointer) { r.query(text, length, list, count, encoding, result) }, rowsOf)
}

func (r runner) affected(sql string, parameters []any) (uint64, error) {
	values, err := valuesOf(parameters)
	if err != nil {
		return 0, err
	}
	written := &writer{}
	text, length := written.text([]byte(sql))
	list, count := written.values(values)
	ask := func(result unsafe.Pointer) { r.execute(text, length, list, count, result) }
	return call(written, ask, func(given view) uint64 { return given.u64(0) })
}

// Query runs one statement and gives its rows. Parameters are nil, booleans, numbers, strings, []byte, json.RawMessage
// (also for arrays), time.Time, Numeric and UUID; for every other type of PostgreSQL, a string as PostgreSQL writes it.
func Query(sql string, parameters ...any) (*Rows, error) {
	return directly.rows(sql, parameters, packed)
}

// QueryJSON runs one statement and gives its rows as JSON text, to be handed on as they are.
func QueryJSON(sql string, parameters ...any) (*JSONRows, error) {
	rows, err := directly.rows(sql, parameters, asJSON)
	if err != nil {
		return nil, err
	}
	return &JSONRows{rows.Columns, rows.data, rows.Count, rows.Truncated, rows.Affected}, nil
}

// Execute runs one statement and gives the number of rows that it changed.
func Execute(sql string, parameters ...any) (uint64, error) {
	return directly.affected(sql, parameters)
}

const statementSize = 16

// Batch runs several statements in one transaction: all take effect, or none.
func Batch(statements ...Statement) ([]*Rows, error) {
	written := &writer{}
	bytes, address := written.take(uint32(len(statements)) * statementSize)
	for place, statement := range statements {
		values, err := valuesOf(statement.Parameters)
		if err != nil {
			return nil, err
		}
		at := bytes[place*statementSize:]
		written.putText(at, []byte(statement.SQL))
		list, count := written.values(values)
		put32(at[8:], list)
		put32(at[12:], count)
	}
	ask := func(result unsafe.Pointer) { hostBatch(address, uint32(len(statements)), packed, result) }
	return call(written, ask, func(given view) []*Rows {
		var results []*Rows
		given.list(0, rowsSize, func(rows view) { results = append(results, rowsOf(rows)) })
		return results
	})
}

// Transaction is an open transaction. It holds one connection until it ends, by Commit, Rollback or Close.
type Transaction struct {
	handle uint32
	ended  bool
}

// Begin opens a transaction.
//
//	transaction, err := applet.Begin()
//	if err != nil {
//		return err
//	}
//	defer transaction.Close()
//	…
//	return transaction.Commit()
func Begin() (*Transaction, error) {
	return call(nil, hostBegin, func(given view) *Transaction { return &Transaction{handle: given.u32(0)} })
}

func (t *Transaction) runner() runner {
	return runner{
		func(sql, sqlLength, values, count, encoding uint32, result unsafe.Pointer) {
			hostTransactionQuery(t.handle, sql, sqlLength, values, count, encoding, result)
		},
		func(sql, sqlLength, values, count uint32, result unsafe.Pointer) {
			hostTransactionExecute(t.handle, sql, sqlLength, values, count, result)
		},
	}
}

// Query runs one statement inside. When it fails, the transaction can only be rolled back.
func (t *Transaction) Query(sql string, parameters ...any) (*Rows, error) {
	if t.ended {
		return nil, errEnded
	}
	return t.runner().rows(sql, parameters, packed)
}

// Execute runs one statement inside and gives the number of rows that it changed.
func (t *Transaction) Execute(sql string, parameters ...any) (uint64, error) {
	if t.ended {
		return 0, errEnded
	}
	return t.runner().affected(sql, parameters)
}

// Commit makes it all permanent.
func (t *Transaction) Commit() error {
	return t.end(hostCommit)
}

// Rollback undoes it all.
func (t *Transaction) Rollback() error {
	return t.end(hostRollback)
}

// Close undoes it all, unless it has ended already.
func (t *Transaction) Close() {
	if !t.ended {
		t.ended = true
		hostDrop(t.handle)
	}
}

var errEnded = &Error{Kind: InvalidArgument, Code: "transaction-ended", Message: "the transaction has ended"}

func (t *Transaction) end(how func(handle uint32, result unsafe.Pointer)) error {
	if t.ended {
		return errEnded
	}
	// The host takes the handle, whatever comes of it.
	t.ended = true
	_, err := call(nil, func(result unsafe.Pointer) { how(t.handle, result) }, nothing)
	return err
}
