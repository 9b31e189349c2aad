;; Every fixture starts with this. Memory: 0..64 is for what host calls write, 64..96 for numbers as text,
;; 1024.. for the strings of the fixture, 65536.. for what the host allocates.
(import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_pairs" (func $get_headers (param i32 i32 i32) (result i32)))
(import "env" "proxy_add_header_map_value" (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_replace_header_map_value" (func $replace_header (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_remove_header_map_value" (func $remove_header (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_http_call" (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
(import "env" "proxy_set_effective_context" (func $act_as (param i32) (result i32)))
(import "env" "proxy_set_tick_period_milliseconds" (func $tick_every (param i32) (result i32)))
(import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_define_metric" (func $define_metric (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_increment_metric" (func $increment_metric (param i32 i64) (result i32)))
(import "env" "proxy_get_status" (func $get_status (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
(import "env" "proxy_set_header_map_pairs" (func $set_headers (param i32 i32 i32) (result i32)))
(import "env" "proxy_get_header_map_size" (func $headers_size (param i32 i32) (result i32)))
(import "env" "proxy_get_buffer_status" (func $buffer_status (param i32 i32 i32) (result i32)))
(import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_log_level" (func $log_level (param i32) (result i32)))
(import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
(import "env" "proxy_done" (func $done (result i32)))
(import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_record_metric" (func $record_metric (param i32 i64) (result i32)))
(import "env" "proxy_get_metric" (func $get_metric (param i32 i32) (result i32)))
(import "env" "proxy_register_shared_queue" (func $register_queue (param i32 i32 i32) (result i32)))
(import "env" "proxy_resolve_shared_queue" (func $resolve_queue (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
(import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))

(memory (export "memory") 4)
(global $heap (mut i32) (i32.const 65536))
(func (export "proxy_abi_version_0_2_1"))
(func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
  (global.get $heap)
  (global.set $heap (i32.add (global.get $heap) (local.get $size))))

;; Logs a string.
(func $say (param $at i32) (param $length i32)
  (drop (call $proxy_log (i32.const 2) (local.get $at) (local.get $length))))

;; Logs the value that the host has just handed out to 0 and 4.
(func $say_value (call $say (i32.load (i32.const 0)) (i32.load (i32.const 4))))

;; Logs a number in decimal.
(func $say_number (param $number i64)
  (local $at i32)
  (local.set $at (i32.const 96))
  (loop $digit
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at)
      (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $number) (i64.const 10)))))
    (local.set $number (i64.div_u (local.get $number) (i64.const 10)))
    (br_if $digit (i64.ne (local.get $number) (i64.const 0))))
  (call $say (local.get $at) (i32.sub (i32.const 96) (local.get $at))))

;; Logs the status of a host call.
(func $say_status (param $status i32) (call $say_number (i64.extend_i32_u (local.get $status))))

;; Logs a request header, or the status if there is none.
(func $say_header (param $name i32) (param $length i32)
  (local $status i32)
  (local.set $status
    (call $get_header (i32.const 0) (local.get $name) (local.get $length) (i32.const 0) (i32.const 4)))
  (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value))))

;; Logs a property, or the status if there is none.
(func $say_property (param $path i32) (param $length i32)
  (local $status i32)
  (local.set $status (call $get_property (local.get $path) (local.get $length) (i32.const 0) (i32.const 4)))
  (if (local.get $status) (then (call $say_status (local.get $status))) (else (call $say_value))))

;; GET /keys from the upstream `keystore`, waiting for a second at most; the token goes to 8.
(func $fetch (result i32)
  (call $http_call {"keystore"} {map:":method=GET,:path=/keys,:authority=keystore"}
    (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 8)))

;; Replies with a status and a body.
(func $reject (param $status i32) (param $body i32) (param $length i32)
  (drop (call $reply (local.get $status) {"by the fixture"} (local.get $body) (local.get $length)
    {map:"x-fixture=1"} (i32.const -1))))
