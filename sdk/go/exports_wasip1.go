package applet

import "unsafe"

//go:wasmexport applet:host/on-install@0.1.0#run
func onInstall() unsafe.Pointer {
	return lifecycle(registered.Install)
}

//go:wasmexport applet:host/on-upgrade@0.1.0#run
func onUpgrade(version, length uint32) unsafe.Pointer {
	from := string(viewOf(version, length))
	return lifecycle(func() error {
		if registered.Upgrade == nil {
			return nil
		}
		return registered.Upgrade(from)
	})
}

//go:wasmexport applet:host/on-uninstall@0.1.0#run
func onUninstall() unsafe.Pointer {
	return lifecycle(registered.Uninstall)
}

//go:wasmexport applet:host/on-enable@0.1.0#run
func onEnable() unsafe.Pointer {
	return lifecycle(registered.Enable)
}

//go:wasmexport applet:host/on-disable@0.1.0#run
func onDisable() unsafe.Pointer {
	return lifecycle(registered.Disable)
}

//go:wasmexport applet:host/named-hooks@0.1.0#call
func named(name, nameLength, payload, payloadLength uint32) unsafe.Pointer {
	hook := string(viewOf(name, nameLength))
	input := append([]byte{}, viewOf(payload, payloadLength)...)
	emptyArena()
	output, err := callNamed(hook, input)
	return answered(output, err)
}

func lifecycle(hook func() error) unsafe.Pointer {
	emptyArena()
	if hook == nil {
		return answered(nil, nil)
	}
	return answered(nil, hook())
}

// answerSize is that of result<string, hook-error>; what it holds is at the fourth byte.
const answerSize = 20

// answered lays out a hook's result, which stays until the next call.
func answered(output []byte, err error) unsafe.Pointer {
	written := &writer{}
	bytes, _ := written.take(answerSize)
	if err != nil {
		failure := hookErrorOf(err)
		bytes[0] = 1
		written.putText(bytes[4:], []byte(failure.Code))
		written.putText(bytes[12:], []byte(failure.Message))
	} else {
		written.putText(bytes[4:], output)
	}
	answer = written.blocks
	return written.blocks[0].pointer()
}
