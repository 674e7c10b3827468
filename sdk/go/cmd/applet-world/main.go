// Command applet-world adds to a module that Go has made what Go cannot make, so that `applet package` can make it a
// component: which world it is made for, and the function that gives the host memory to write to.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o module.wasm .
//	go run applet-sdk/cmd/applet-world module.wasm applet.wasm
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
)

// world is an object file that wit-bindgen has made of the world `applet`, for C; sdk/c/regenerate.sh makes it anew.
// One of its sections describes the world.
//
//go:embed world.o
var world []byte

const sectionName = "component-type:"

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
	sections, err := sectionsOf(module)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	if err := addRealloc(sections); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	described, err := worldSection()
	if err != nil {
		return err
	}
	return os.WriteFile(to, moduleOf(append(sections, described)), 0o644)
}

// worldSection finds the section that describes the world.
func worldSection() (section, error) {
	sections, err := sectionsOf(world)
	if err != nil {
		return section{}, err
	}
	for _, each := range sections {
		if name, _, err := sized(each.content); each.id == customSection && err == nil &&
			strings.HasPrefix(string(name), sectionName) {
			return each, nil
		}
	}
	return section{}, errors.New("world.o describes no world")
}
