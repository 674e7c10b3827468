/** The database: statements, batches, transactions. */

import * as host from "applet:host/db@0.1.0";
import type { Encoding, Rows as HostRows, Value } from "applet:host/db@0.1.0";

import { type InsertedRow, Query, type Fresh, type Runner } from "./builder.js";
import { BuilderError, fromHost } from "./errors.js";
import { type Parameter, toValues } from "./parameters.js";
import { asJson, decode, encodingOf, type JsonRows, type Rows } from "./rows.js";
import { partsOf, type Statement } from "./sql.js";
import { isMaking, tooEarly } from "./state.js";
import { isWellFormed } from "./text.js";
import type { AnyRow, DatabaseOf, InsertOf, TableName } from "./types.js";

/** A statement of a batch: its text, and its parameters if it has any. */
export interface BatchStatement {
  readonly sql: string;
  readonly parameters?: readonly Parameter[];
}

/** The calls that the database and an open transaction have in common. */
interface Calls {
  query(sql: string, parameters: Value[], encoding: Encoding): HostRows;
  execute(sql: string, parameters: Value[]): number;
}

/** Runs statements: the database, or an open transaction. */
export abstract class Session<DB extends DatabaseOf<DB>> {
  /** Whether values are exact. */
  protected readonly exact: boolean;

  /** @internal */
  constructor(exact: boolean) {
    this.exact = exact;
  }

  /** Where statements go. */
  protected abstract calls(): Calls;

  /**
   * Runs one statement with its parameters and gives its rows.
   *
   * ```ts
   * const rows = await sdk.db.query<{ n: number }>("SELECT count(*) AS n FROM clients WHERE status = $1", ["lead"]);
   * ```
   */
  async query<Row = AnyRow>(sql: string, parameters: readonly Parameter[] = []): Promise<Rows<Row>> {
    return this.run<Row>({ sql, parameters });
  }

  /** Runs one statement and gives the first cell of its first row, or null where there is no row. */
  async scalar<T = unknown>(sql: string, parameters: readonly Parameter[] = []): Promise<T | null> {
    const rows = this.run<Record<string, T>>({ sql, parameters });
    const [name] = rows.columns.map((column) => column.name);
    return name === undefined ? null : (rows[0]?.[name] ?? null);
  }

  /**
   * Runs one statement and gives its rows as the JSON text that the host writes, unread: the fastest way to pass
   * rows on, in a {@link JsonText}.
   */
  async queryJson(sql: string, parameters: readonly Parameter[] = []): Promise<JsonRows> {
    return asJson(call(() => this.calls().query(checked(sql), toValues(parameters), "json")));
  }

  /** Runs one statement and gives the number of rows it changed. */
  async execute(sql: string, parameters: readonly Parameter[] = []): Promise<number> {
    return call(() => Number(this.calls().execute(checked(sql), toValues(parameters))));
  }

  /** Starts a statement on a table; see {@link Query}. */
  table<Table extends TableName<DB>>(name: Table): Query<DB, Fresh<DB, Table>> {
    const runner: Runner = { run: (statement) => this.run(statement) };
    return new Query(runner, partsOf(name));
  }

  /** Adds a row to a table, and gives it back as it was stored, as far as the applet may read it. */
  async insert<Table extends TableName<DB>>(table: Table, values: InsertOf<DB, Table>): Promise<InsertedRow<DB, Table>> {
    return this.table(table).insert(values);
  }

  /** @internal */
  run<Row>(statement: Statement): Rows<Row> {
    const parameters = toValues(statement.parameters);
    const rows = call(() => this.calls().query(checked(statement.sql), parameters, encodingOf(this.exact)));
    return decode(rows, this.exact);
  }
}

/** The tenant's database, as far as it was granted. */
export class Database<DB extends DatabaseOf<DB>> extends Session<DB> {
  /** Runs several statements in one transaction: all take effect, or none. */
  async batch<Row = AnyRow>(statements: readonly BatchStatement[]): Promise<Rows<Row>[]> {
    const all = statements.map(({ sql, parameters }) => ({ sql: checked(sql), parameters: toValues(parameters ?? []) }));
    const results = call(() => host.batch(all, encodingOf(this.exact)));
    return results.map((rows) => decode<Row>(rows, this.exact));
  }

  /**
   * Runs a function in a transaction, which is committed if it succeeds and rolled back if it throws. The
   * transaction holds one connection until then; a second one cannot be opened meanwhile.
   *
   * ```ts
   * await sdk.db.transaction(async (tx) => {
   *   await tx.table("chat_messages").insert({ chat_id, content, sender_type: "ai" });
   *   await tx.table("chats").where("id", chat_id).update({ status: "answered" });
   * });
   * ```
   */
  async transaction<T>(work: (transaction: Transaction<DB>) => T | PromiseLike<T>): Promise<T> {
    const transaction = await this.begin();
    let done: T;
    try {
      done = await work(transaction);
    } catch (error) {
      await transaction.abandon();
      throw error;
    }
    await transaction.commit();
    return done;
  }

  /**
   * Opens a transaction. It holds one connection until it is committed or rolled back, or the hook ends, which
   * rolls it back. {@link transaction} is harder to get wrong.
   */
  async begin(): Promise<Transaction<DB>> {
    return new Transaction(call(host.begin), this.exact);
  }

  protected calls(): Calls {
    return host;
  }
}

/** An open transaction. */
export class Transaction<DB extends DatabaseOf<DB>> extends Session<DB> {
  #open: host.Transaction | null;

  /** @internal */
  constructor(open: host.Transaction, exact: boolean) {
    super(exact);
    this.#open = open;
  }

  /** Makes it all permanent. */
  async commit(): Promise<void> {
    const open = this.#end();
    call(() => host.Transaction.commit(open));
  }

  /** Undoes it all. */
  async rollback(): Promise<void> {
    const open = this.#end();
    call(() => host.Transaction.rollback(open));
  }

  /** Undoes it all, if that was not done yet. That it is undone is certain, also when saying so fails.
   * @internal */
  async abandon(): Promise<void> {
    if (this.#open !== null) {
      await this.rollback().catch(() => undefined);
    }
  }

  protected calls(): Calls {
    if (this.#open === null) {
      throw ended();
    }
    return this.#open;
  }

  #end(): host.Transaction {
    const open = this.#open;
    if (open === null) {
      throw ended();
    }
    this.#open = null;
    return open;
  }
}

function ended(): BuilderError {
  return new BuilderError("the transaction has ended");
}

/** A host call, with its error as one of ours. */
function call<T>(work: () => T): T {
  if (isMaking()) {
    throw tooEarly("the database");
  }
  try {
    return work();
  } catch (error) {
    throw fromHost(error);
  }
}

function checked(sql: string): string {
  if (typeof sql !== "string" || !isWellFormed(sql)) {
    throw new BuilderError("a statement is text");
  }
  return sql;
}
