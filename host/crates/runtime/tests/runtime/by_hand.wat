(component
  (import "wasi:io/error@0.2.0" (instance $io-error (export "error" (type (sub resource)))))
  (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
  (import "wasi:io/streams@0.2.0" (instance $streams (export "output-stream" (type (sub resource)))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output-stream (type $outer))
    (export "output-stream" (type $stream (eq $outer)))
    (export "get-stdout" (func (result (own $stream))))))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))

  (core module $guest)
  (core instance $host (export "get-stdout" (func $get-stdout)))
  (core instance $instance (instantiate $guest (with "host" (instance $host))))

  (type $hook-error (record (field "code" string) (field "message" string)))
  (type $answer (result (error $hook-error)))
  (func $run (result $answer)
    (canon lift (core func $instance "run") (memory (core memory $instance "memory"))))

  (component $shim
    (type $record (record (field "code" string) (field "message" string)))
    (import "hook-error" (type $imported (eq $record)))
    (import "run" (func $run (result (result (error $imported)))))
    (export $hook-error "hook-error" (type $record))
    (export "run" (func $run) (func (result (result (error $hook-error))))))
  (instance $hooks (instantiate $shim (with "hook-error" (type $hook-error)) (with "run" (func $run))))
  (export "applet:host/on-enable@0.1.0" (instance $hooks)))
