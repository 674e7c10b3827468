package main

import (
	"bytes"
	"testing"
)

func TestNumbersAreReadAsTheyAreWritten(t *testing.T) {
	for _, value := range []int64{0, 1, -1, 63, 64, -64, -65, 8191, 1 << 20, -(1 << 31), 1<<31 - 1} {
		read, rest, err := signed(append(appendSigned(nil, value), 7))
		if err != nil || read != value || !bytes.Equal(rest, []byte{7}) {
			t.Errorf("%d was read as %d, %v, %v", value, read, rest, err)
		}
	}
}

func TestTheWorldIsThere(t *testing.T) {
	described, err := worldSection()
	if err != nil || described.id != customSection || !bytes.Contains(described.content, []byte("named-hooks")) {
		t.Errorf("%v, %v", described, err)
	}
}

func TestWhatIsNoModuleOfGosIsRefused(t *testing.T) {
	if _, err := sectionsOf([]byte("#!/bin/sh")); err == nil {
		t.Error("a script was read")
	}
	cut := append([]byte(header), typeSection, 9, 0)
	if _, err := sectionsOf(cut); err == nil {
		t.Error("a module that is cut was read")
	}
	if err := addRealloc([]section{{typeSection, []byte{0}}}); err == nil {
		t.Error("there is no arena")
	}
}

func TestAModuleIsPutTogetherAsItWas(t *testing.T) {
	sections, err := sectionsOf(world)
	if err != nil || !bytes.Equal(moduleOf(sections), world) {
		t.Errorf("%v", err)
	}
}
