package applet

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
)

func rowsOfHex(t *testing.T, columns []Column, data string) *Rows {
	t.Helper()
	bytes, err := hex.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	return &Rows{Columns: columns, Count: 1, data: bytes}
}

func TestCellsAreReadByTheirType(t *testing.T) {
	columns := []Column{
		{"a", "boolean"}, {"b", "int16"}, {"c", "int64"}, {"d", "float32"}, {"e", "numeric"}, {"f", "bytes"},
		{"g", "interval"}, {"h", "json"}, {"i", "text"},
	}
	rows := rowsOfHex(t, columns, "0100000001"+"02000000feff"+"08000000ffffffffffffff7f"+"040000000000c07f"+
		"03000000312e30"+"0200000000ff"+"10000000010000000200000003000000ffffffff"+"020000005b5d"+"ffffffff")
	for row, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		if float, ok := row[3].(float32); !ok || !math.IsNaN(float64(float)) {
			t.Errorf("%v is not NaN", row[3])
		}
		row[3] = nil
		wanted := Row{
			true, int16(-2), int64(math.MaxInt64), nil, Numeric("1.0"), []byte{0, 255},
			Interval{1, 2, -4294967293}, json.RawMessage("[]"), nil,
		}
		if !reflect.DeepEqual(row, wanted) {
			t.Errorf("got %#v", row)
		}
	}
}

func TestDamagedCellsAreAnError(t *testing.T) {
	for _, data := range []string{"", "01", "0200000001", "020000000100", "fffffffe"} {
		rows := rowsOfHex(t, []Column{{"a", "boolean"}}, data)
		var value any
		var failure *Error
		if err := rows.First(&value); !errors.As(err, &failure) || failure.Kind != Decode {
			t.Errorf("%q gave %v, %v", data, value, err)
		}
	}
}

func TestScanTakesNothingThatDoesNotFit(t *testing.T) {
	row := Row{int32(7), "text", nil}
	var number int64
	var text string
	if err := row.Scan(&number, &text); err != nil || number != 7 || text != "text" {
		t.Errorf("%d, %q, %v", number, text, err)
	}
	if row.Scan(&text) == nil {
		t.Error("a number was read as text")
	}
	var anything any
	if row.Scan(&anything, &anything, &text) == nil {
		t.Error("NULL was read as text")
	}
	if row.Scan(&anything, &anything, &anything, &anything) == nil {
		t.Error("there are three cells")
	}
}

func TestParametersAreOfTheWitsCases(t *testing.T) {
	for _, parameter := range []any{nil, true, 7, int64(-1), 0.5, "x", []byte{0}, json.RawMessage("[]"), UUID{}} {
		if _, err := valueOf(parameter); err != nil {
			t.Errorf("%v: %v", parameter, err)
		}
	}
	if _, err := valueOf(struct{}{}); err == nil {
		t.Error("a struct is no parameter")
	}
}

func TestHooksTakeAndGiveJSON(t *testing.T) {
	Register(Hooks{Named: map[string]NamedHook{"double": Hook(func(number int) (int, error) { return number * 2, nil })}})
	if answer, err := callNamed("double", []byte("21")); string(answer) != "42" || err != nil {
		t.Errorf("%s, %v", answer, err)
	}
	if _, err := callNamed("double", []byte(`"x"`)); hookErrorOf(err).Code != "bad-payload" {
		t.Errorf("%v", err)
	}
	if _, err := callNamed("half", nil); hookErrorOf(err).Code != "no-such-hook" {
		t.Errorf("%v", err)
	}
	if hookErrorOf(&Error{Code: "unique"}).Code != "unique" || hookErrorOf(errors.New("x")).Code != "failed" {
		t.Error("errors keep their codes")
	}
}
