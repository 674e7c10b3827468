/**
 * The query builder: SQL text and parameters, from names that are checked and values that stay values.
 *
 * It is a convenience and no boundary: what it makes goes through the host's gate like any other statement.
 */

import { softDeletable } from "./context.js";
import { BuilderError, DecodeError } from "./errors.js";
import type { Rows } from "./rows.js";
import * as sql from "./sql.js";
import type { Parts, Statement } from "./sql.js";
import type {
  AnyRow,
  ColumnRef,
  InsertOf,
  OperandOf,
  ResultRow,
  RowOf,
  Selectable,
  State,
  TableName,
  UpdateOf,
} from "./types.js";

/** A comparison. */
export type Operator = "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" | "like" | "ilike" | "not like" | "not ilike";

/** In which direction rows are sorted. */
export type Direction = "asc" | "desc";

/** What runs a finished statement: the database, or an open transaction. */
export interface Runner {
  run<Row>(statement: Statement): Rows<Row>;
}

/** The state of a query that was told nothing but its table. */
export interface Fresh<DB, Table extends TableName<DB>> extends State<DB> {
  readonly main: Table;
  readonly scope: Table;
  readonly outer: never;
  readonly selected: never;
}

interface Joined<DB, Q extends State<DB>, Table extends TableName<DB>, Outer extends TableName<DB>> extends State<DB> {
  readonly main: Q["main"];
  readonly scope: Q["scope"] | Table;
  readonly outer: Q["outer"] | Outer;
  readonly selected: Q["selected"];
}

interface Selected<DB, Q extends State<DB>, Column extends string> extends State<DB> {
  readonly main: Q["main"];
  readonly scope: Q["scope"];
  readonly outer: Q["outer"];
  readonly selected: Q["selected"] | Column;
}

/**
 * A statement on a table, while it is being put together. Each call gives a new query and leaves the one it is
 * called on as it was.
 *
 * Rows that are soft deleted are hidden unless {@link withDeleted} is called. A mistake (a name that is none,
 * an operator that does not exist) is reported when the statement is run.
 *
 * ```ts
 * const clients = await sdk.db.table("clients").select("id", "phone").where("status", "active").limit(100).get();
 * ```
 */
export class Query<DB, Q extends State<DB>> {
  readonly #parts: Parts;
  readonly #runner: Runner;

  /** @internal */
  constructor(runner: Runner, parts: Parts) {
    this.#runner = runner;
    this.#parts = parts;
  }

  /** The columns to read: `id`, `clients.id`, `clients.*` or `*`. All, if this is not called. */
  select<const Column extends Selectable<DB, Q["scope"]>>(...columns: Column[]): Query<DB, Selected<DB, Q, Column>> {
    return this.#with({ columns: [...this.#parts.columns, ...columns] });
  }

  /** Only rows whose column has this value. Null means NULL. */
  where<Column extends ColumnRef<DB, Q["scope"]>>(column: Column, value: OperandOf<DB, Q["scope"], Column>): Query<DB, Q>;
  /** Only rows whose column compares so. */
  where<Column extends ColumnRef<DB, Q["scope"]>>(
    column: Column,
    operator: Operator,
    value: NonNullable<OperandOf<DB, Q["scope"], Column>>,
  ): Query<DB, Q>;
  where(column: string, ...rest: readonly unknown[]): Query<DB, Q> {
    if (rest.length === 1 && rest[0] === null) {
      return this.#condition({ kind: "null", column });
    }
    const [operator, value] = rest.length === 1 ? ["=", rest[0]] : rest;
    return this.#condition({ kind: "compare", column, operator: operator as string, value });
  }

  /** Only rows whose column has one of these values; with no values, no rows. */
  whereIn<Column extends ColumnRef<DB, Q["scope"]>>(
    column: Column,
    values: readonly NonNullable<OperandOf<DB, Q["scope"], Column>>[],
  ): Query<DB, Q> {
    return this.#condition({ kind: "in", column, values });
  }

  /** Only rows whose column is NULL. */
  whereNull(column: ColumnRef<DB, Q["scope"]>): Query<DB, Q> {
    return this.#condition({ kind: "null", column });
  }

  /** Only rows whose column is not NULL. */
  whereNotNull(column: ColumnRef<DB, Q["scope"]>): Query<DB, Q> {
    return this.#condition({ kind: "not-null", column });
  }

  /** Only with rows of another table that match: `join("chats", "chat_messages.chat_id", "=", "chats.id")`. */
  join<Table extends TableName<DB>>(
    table: Table,
    left: ColumnRef<DB, Q["scope"] | Table>,
    operator: Operator,
    right: ColumnRef<DB, Q["scope"] | Table>,
  ): Query<DB, Joined<DB, Q, Table, never>> {
    return this.#with({ joins: [...this.#parts.joins, { kind: "inner", table, left, operator, right }] });
  }

  /** With rows of another table that match, or with nulls. */
  leftJoin<Table extends TableName<DB>>(
    table: Table,
    left: ColumnRef<DB, Q["scope"] | Table>,
    operator: Operator,
    right: ColumnRef<DB, Q["scope"] | Table>,
  ): Query<DB, Joined<DB, Q, Table, Table>> {
    return this.#with({ joins: [...this.#parts.joins, { kind: "left", table, left, operator, right }] });
  }

  /** Sorted by this column, after the columns that were given before. */
  orderBy(column: ColumnRef<DB, Q["scope"]>, direction: Direction = "asc"): Query<DB, Q> {
    return this.#with({ order: [...this.#parts.order, { column, direction }] });
  }

  /** At most so many rows. The host has a cap of its own. */
  limit(rows: number): Query<DB, Q> {
    return this.#with({ limit: rows });
  }

  /** Without the first so many rows. */
  offset(rows: number): Query<DB, Q> {
    return this.#with({ offset: rows });
  }

  /** Soft-deleted rows as well. */
  withDeleted(): Query<DB, Q> {
    return this.#with({ withDeleted: true });
  }

  /** Says that an update or delete without a condition is meant. */
  everyRow(): Query<DB, Q> {
    return this.#with({ everyRow: true });
  }

  /** Reads the rows. */
  async get(): Promise<Rows<ResultRow<DB, Q>>> {
    return this.#runner.run(sql.select(this.#parts, softDeletable));
  }

  /** Reads the first row, or null where there is none. */
  async first(): Promise<ResultRow<DB, Q> | null> {
    const rows = await this.limit(1).get();
    return rows[0] ?? null;
  }

  /**
   * Adds a row, and gives it back as it was stored: with its key and defaults, as far as the applet may read
   * it. Values that are undefined are left to the column's default.
   */
  async insert(values: InsertOf<DB, Q["main"]>): Promise<InsertedRow<DB, Q["main"]>> {
    const rows = this.#runner.run<InsertedRow<DB, Q["main"]>>(sql.insert(this.#parts, given(values)));
    const [row] = rows;
    if (row === undefined) {
      throw new DecodeError("the write gave no row back");
    }
    return row;
  }

  /**
   * Changes the rows that the conditions choose, and says how many. Values that are undefined are left as they
   * are. Without a condition, see {@link everyRow}.
   */
  async update(values: UpdateOf<DB, Q["main"]>): Promise<number> {
    return this.#runner.run(sql.update(this.#parts, given(values), softDeletable)).affected;
  }

  /** Deletes the rows that the conditions choose, and says how many: softly where the table allows it. */
  async delete(): Promise<number> {
    return this.#runner.run(sql.remove(this.#parts, softDeletable)).affected;
  }

  /** Removes the rows that the conditions choose for good, and says how many. Needs the hard-delete grant. */
  async forceDelete(): Promise<number> {
    return this.#runner.run(sql.forceRemove(this.#parts, softDeletable)).affected;
  }

  #condition(condition: sql.Condition): Query<DB, Q> {
    return this.#with({ conditions: [...this.#parts.conditions, condition] });
  }

  #with<Next extends State<DB>>(change: Partial<Parts>): Query<DB, Next> {
    return new Query(this.#runner, { ...this.#parts, ...change });
  }
}

/** A row as an insert gives it back. */
export type InsertedRow<DB, Table extends TableName<DB>> = string extends TableName<DB> ? AnyRow : RowOf<DB, Table>;

function given(values: unknown): object {
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw new BuilderError("columns and their values are given as an object");
  }
  return values;
}
