// Command applet-world says in a module that Go has made which world it is made for, so that `applet package` can make
// it a component:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o module.wasm .
//	go run applet-sdk/cmd/applet-world module.wasm applet.wasm
package main

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// world is an object file that wit-bindgen has made of the world `applet`, for C; sdk/c/regenerate.sh makes it anew.
// One of its sections describes the world.
//
//go:embed world.o
var world []byte

const (
	header        = "\x00asm\x01\x00\x00\x00"
	customSection = 0
	sectionName   = "component-type:"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: applet-world MODULE OUTPUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "applet-world:", err)
		os.Exit(1)
	}
}

func run(from, to string) error {
	module, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(module, []byte(header)) {
		return errors.New(from + " is not a WebAssembly module")
	}
	section, err := worldSection(world)
	if err != nil {
		return err
	}
	return os.WriteFile(to, append(module, section...), 0o644)
}

// worldSection finds the custom section that describes the world, and gives it whole.
func worldSection(object []byte) ([]byte, error) {
	rest := object[len(header):]
	for len(rest) > 1 {
		length, size := binary.Uvarint(rest[1:])
		begin := 1 + size
		if size <= 0 || length > uint64(len(rest)-begin) {
			break
		}
		end := begin + int(length)
		name, nameSize := binary.Uvarint(rest[begin:end])
		if rest[0] == customSection && nameSize > 0 && name <= uint64(end-begin-nameSize) &&
			bytes.HasPrefix(rest[begin+nameSize:end], []byte(sectionName)) {
			return rest[:end], nil
		}
		rest = rest[end:]
	}
	return nil, errors.New("world.o describes no world")
}
