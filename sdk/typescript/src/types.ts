/**
 * The types of tables, columns and rows. `applet types` writes a `Database`; everything here works on one, and
 * on {@link AnyDatabase} where there is none.
 */

import type { Parameter } from "./parameters.js";
import type { CalendarDate, Interval, TimeOfDay, Timestamp } from "./time.js";

/** A row of which nothing is known. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyRow = Record<string, any>;

/** What may be read from a table, inserted into it, and changed in it. What is left out is not granted. */
export interface TableShape {
  readonly select?: object;
  readonly insert?: object;
  readonly update?: object;
}

/** A database whose tables are not known. */
export type AnyDatabase = Record<string, { select: AnyRow; insert: AnyRow; update: AnyRow }>;

/** A database as `applet types` declares it: an interface with one property per table. */
export type DatabaseOf<DB> = { [Table in keyof DB]: TableShape };

/** The tables. */
export type TableName<DB> = keyof DB & string;

/** A row of a table as it is read. */
export type RowOf<DB, Table extends TableName<DB>> = DB[Table] extends { select: infer Row extends object } ? Row : {};

/** What an insert takes; never, where inserting is not granted. */
export type InsertOf<DB, Table extends TableName<DB>> = DB[Table] extends { insert: infer Row } ? Row : never;

/** What an update takes; never, where updating is not granted. */
export type UpdateOf<DB, Table extends TableName<DB>> = DB[Table] extends { update: infer Row } ? Row : never;

/** The columns of a table. */
export type ColumnName<DB, Table extends TableName<DB>> = keyof RowOf<DB, Table> & string;

/** A column of one of these tables: `id`, or `clients.id`. */
export type ColumnRef<DB, Scope extends TableName<DB>> = {
  [Table in Scope]: ColumnName<DB, Table> | `${Table}.${ColumnName<DB, Table>}`;
}[Scope];

/** What can be selected: a column, `*` or `clients.*`. */
export type Selectable<DB, Scope extends TableName<DB>> = ColumnRef<DB, Scope> | "*" | `${Scope}.*`;

/** What is known of a query: its tables, those that are joined from the left, and what was selected. */
export interface State<DB> {
  readonly main: TableName<DB>;
  readonly scope: TableName<DB>;
  readonly outer: TableName<DB>;
  readonly selected: string;
}

/** A row of a query's result. */
export type ResultRow<DB, Q extends State<DB>> = string extends TableName<DB>
  ? AnyRow
  : [Q["selected"]] extends [never]
    ? Flat<Piece<DB, Q, "*">>
    : Flat<Together<Q["selected"] extends infer Column ? (Column extends string ? Piece<DB, Q, Column> : never) : never>>;

/** What a column is compared with. */
export type OperandOf<DB, Scope extends TableName<DB>, Ref extends string> = string extends TableName<DB>
  ? Parameter
  : Operand<
      Ref extends `${infer Table extends Scope}.${infer Column}`
        ? Cell<RowOf<DB, Table>, Column>
        : { [Table in Scope]: Ref extends ColumnName<DB, Table> ? Cell<RowOf<DB, Table>, Ref> : never }[Scope]
    >;

/** A moment or a day may be given as text, a number as text with all its digits. */
type Operand<Value> = Value extends Date | Timestamp
  ? Date | Timestamp | string
  : Value extends number | bigint
    ? number | bigint | string
    : Value extends CalendarDate | TimeOfDay | Interval
      ? Value | string
      : Value;

type Cell<Row, Column> = Column extends keyof Row ? Row[Column] : never;

/** The rows of one table, nullable where the table is joined from the left. */
type Part<DB, Q extends State<DB>, Table extends Q["scope"]> = Table extends Q["outer"]
  ? { [Column in keyof RowOf<DB, Table>]: RowOf<DB, Table>[Column] | null }
  : RowOf<DB, Table>;

/** What one selected thing adds to the row. */
type Piece<DB, Q extends State<DB>, Selected extends string> = Selected extends "*"
  ? Together<{ [Table in Q["scope"]]: Part<DB, Q, Table> }[Q["scope"]]>
  : Selected extends `${infer Table extends Q["scope"]}.*`
    ? Part<DB, Q, Table>
    : Selected extends `${infer Table extends Q["scope"]}.${infer Column}`
      ? { [Name in Column]: Cell<Part<DB, Q, Table>, Name> }
      : {
          [Name in Selected]: {
            [Table in Q["scope"]]: Name extends keyof RowOf<DB, Table> ? Cell<Part<DB, Q, Table>, Name> : never;
          }[Q["scope"]];
        };

/** All of a union at once. */
type Together<Union> = (Union extends unknown ? (each: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** One object type, for people who read it. */
type Flat<Row> = { [Column in keyof Row]: Row[Column] };
