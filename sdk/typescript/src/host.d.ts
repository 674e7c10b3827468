/** The host's interfaces, as components written in JavaScript see them. */

declare module "applet:host/db@0.1.0" {
  export type Value =
    | { tag: "null" }
    | { tag: "boolean"; val: boolean }
    | { tag: "integer"; val: number }
    | { tag: "float"; val: number }
    | { tag: "text"; val: string }
    | { tag: "bytes"; val: Uint8Array }
    | { tag: "json"; val: string };

  export type ColumnType =
    | "boolean"
    | "int16"
    | "int32"
    | "int64"
    | "float32"
    | "float64"
    | "numeric"
    | "text"
    | "bytes"
    | "uuid"
    | "date"
    | "time"
    | "timestamp"
    | "timestamptz"
    | "interval"
    | "json"
    | "array";

  export type Encoding = "packed" | "json";

  export interface Column {
    name: string;
    kind: ColumnType;
  }

  export interface Rows {
    columns: Column[];
    count: number;
    truncated: boolean;
    affected: number;
    data: Uint8Array;
  }

  export interface Statement {
    sql: string;
    parameters: Value[];
  }

  export class Transaction {
    private constructor();
    query(sql: string, parameters: Value[], encoding: Encoding): Rows;
    execute(sql: string, parameters: Value[]): number;
    static commit(transaction: Transaction): void;
    static rollback(transaction: Transaction): void;
  }

  export function query(sql: string, parameters: Value[], encoding: Encoding): Rows;
  export function execute(sql: string, parameters: Value[]): number;
  export function batch(statements: Statement[], encoding: Encoding): Rows[];
  export function begin(): Transaction;
}

declare module "applet:host/context@0.1.0" {
  export interface Permission {
    table: string;
    operations: string[];
    softDeletable: boolean;
  }

  export interface Invocation {
    requestId: string;
    tenantId: string;
    workspaceId: string;
    userId: string | null | undefined;
    locale: string;
    appletId: string;
    appletVersion: string;
    permissions: Permission[];
  }

  export function current(): Invocation;
}

declare module "applet:host/log@0.1.0" {
  export type Level = "debug" | "info" | "warn" | "error";
  export function write(level: Level, message: string): void;
}

declare module "wasi:random/random@0.2.0" {
  export function getRandomBytes(length: number): Uint8Array;
}
