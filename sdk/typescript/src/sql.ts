/** Writes what the builder collected as SQL. Pure: names are checked here, values become parameters. */

import { BuilderError } from "./errors.js";

/** Longer identifiers are cut by PostgreSQL, so they are refused. */
const NAME = /^[a-z_][a-z0-9_]{0,62}$/;

/** The largest number of rows that LIMIT and OFFSET take here. */
const MOST_ROWS = 0xffff_ffff;

/** What the host's comparison operators are called. */
const OPERATORS: ReadonlyMap<string, string> = new Map([
  ["=", "="],
  ["!=", "<>"],
  ["<>", "<>"],
  ["<", "<"],
  ["<=", "<="],
  [">", ">"],
  [">=", ">="],
  ["like", "LIKE"],
  ["ilike", "ILIKE"],
  ["not like", "NOT LIKE"],
  ["not ilike", "NOT ILIKE"],
]);

/** A condition of a WHERE clause. */
export type Condition =
  | { readonly kind: "compare"; readonly column: string; readonly operator: string; readonly value: unknown }
  | { readonly kind: "in"; readonly column: string; readonly values: readonly unknown[] }
  | { readonly kind: "null" | "not-null"; readonly column: string };

/** A table that is joined. */
export interface Join {
  readonly kind: "inner" | "left";
  readonly table: string;
  readonly left: string;
  readonly operator: string;
  readonly right: string;
}

/** Everything a query was told. */
export interface Parts {
  readonly table: string;
  readonly columns: readonly string[];
  readonly joins: readonly Join[];
  readonly conditions: readonly Condition[];
  readonly order: readonly { readonly column: string; readonly direction: string }[];
  readonly limit: number | null;
  readonly offset: number | null;
  readonly withDeleted: boolean;
  readonly everyRow: boolean;
}

/** A finished statement. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** Whether rows of a table can be soft deleted. */
export type SoftDeletable = (table: string) => boolean;

/** The parts of a query that was told nothing but its table. */
export function partsOf(table: string): Parts {
  return {
    table,
    columns: [],
    joins: [],
    conditions: [],
    order: [],
    limit: null,
    offset: null,
    withDeleted: false,
    everyRow: false,
  };
}

/** `SELECT …`. */
export function select(parts: Parts, soft: SoftDeletable): Statement {
  const parameters: unknown[] = [];
  const columns = (parts.columns.length === 0 ? ["*"] : parts.columns).map(checkSelected);
  let sql = `SELECT ${columns.join(", ")} FROM ${checkName(parts.table)}`;
  for (const join of parts.joins) {
    sql += writeJoin(parts, join, soft);
  }
  sql += writeConditions(parts, parameters, soft);
  if (parts.order.length > 0) {
    const sorted = parts.order.map(({ column, direction }) => `${checkColumn(column)} ${checkDirection(direction)}`);
    sql += ` ORDER BY ${sorted.join(", ")}`;
  }
  if (parts.limit !== null) {
    sql += ` LIMIT ${checkRows("limit", parts.limit)}`;
  }
  if (parts.offset !== null) {
    sql += ` OFFSET ${checkRows("offset", parts.offset)}`;
  }
  return { sql, parameters };
}

/** `INSERT … RETURNING *`. Values that are undefined are left to the column's default. */
export function insert(parts: Parts, values: object): Statement {
  only("insert", isPlain(parts) && parts.conditions.length === 0);
  const table = checkName(parts.table);
  const given = entries(values);
  if (given.length === 0) {
    return { sql: `INSERT INTO ${table} DEFAULT VALUES RETURNING *`, parameters: [] };
  }
  const columns = given.map(([column]) => checkName(column)).join(", ");
  const places = given.map((_, index) => `$${index + 1}`).join(", ");
  const sql = `INSERT INTO ${table} (${columns}) VALUES (${places}) RETURNING *`;
  return { sql, parameters: given.map(([, value]) => value) };
}

/** `UPDATE …`. Values that are undefined are left as they are. */
export function update(parts: Parts, values: object, soft: SoftDeletable): Statement {
  checkChange("update", parts);
  const given = entries(values);
  if (given.length === 0) {
    throw new BuilderError("an update needs at least one column");
  }
  const parameters = given.map(([, value]) => value);
  const assignments = given.map(([column], index) => `${checkName(column)} = $${index + 1}`).join(", ");
  const sql = `UPDATE ${checkName(parts.table)} SET ${assignments}`;
  return { sql: sql + writeConditions(parts, parameters, soft), parameters };
}

/** A soft delete where the table allows it, otherwise a hard one. */
export function remove(parts: Parts, soft: SoftDeletable): Statement {
  if (!soft(parts.table)) {
    return forceRemove(parts, soft);
  }
  checkChange("delete", parts);
  const parameters: unknown[] = [];
  const sql = `UPDATE ${checkName(parts.table)} SET deleted_at = now()`;
  return { sql: sql + writeConditions(parts, parameters, soft), parameters };
}

/** `DELETE …`. */
export function forceRemove(parts: Parts, soft: SoftDeletable): Statement {
  checkChange("delete", parts);
  const parameters: unknown[] = [];
  const sql = `DELETE FROM ${checkName(parts.table)}`;
  return { sql: sql + writeConditions(parts, parameters, soft), parameters };
}

/** A left join keeps rows without a partner, so the partner's filter belongs into its ON. */
function writeJoin(parts: Parts, join: Join, soft: SoftDeletable): string {
  const table = checkName(join.table);
  const on = `${checkColumn(join.left)} ${checkOperator(join.operator)} ${checkColumn(join.right)}`;
  if (join.kind === "inner") {
    return ` JOIN ${table} ON ${on}`;
  }
  const shown = hides(parts, table, soft) ? ` AND ${table}.deleted_at IS NULL` : "";
  return ` LEFT JOIN ${table} ON ${on}${shown}`;
}

function writeConditions(parts: Parts, parameters: unknown[], soft: SoftDeletable): string {
  const all = parts.conditions.map((condition) => writeCondition(condition, parameters));
  const inner = parts.joins.filter((join) => join.kind === "inner").map((join) => join.table);
  for (const table of [parts.table, ...inner]) {
    if (hides(parts, table, soft)) {
      all.push(`${checkName(table)}.deleted_at IS NULL`);
    }
  }
  return all.length === 0 ? "" : ` WHERE ${all.join(" AND ")}`;
}

function writeCondition(condition: Condition, parameters: unknown[]): string {
  const column = checkColumn(condition.column);
  const bind = (value: unknown): string => {
    // An undefined value is a mistake on the way here; taken for "no condition" it would choose every row.
    if (value === undefined) {
      throw new BuilderError(`\`${column}\` is compared with undefined`);
    }
    return `$${parameters.push(value)}`;
  };
  switch (condition.kind) {
    case "compare": {
      const operator = checkOperator(condition.operator);
      if (condition.value === null) {
        throw new BuilderError(`\`${column}\` is compared with null; use whereNull or whereNotNull`);
      }
      return `${column} ${operator} ${bind(condition.value)}`;
    }
    case "in":
      return `${column} IN (${condition.values.length === 0 ? "NULL" : condition.values.map(bind).join(", ")})`;
    case "null":
      return `${column} IS NULL`;
    case "not-null":
      return `${column} IS NOT NULL`;
  }
}

function entries(values: object): [string, unknown][] {
  return Object.entries(values).filter(([, value]) => value !== undefined);
}

function hides(parts: Parts, table: string, soft: SoftDeletable): boolean {
  return !parts.withDeleted && soft(table);
}

function checkChange(what: string, parts: Parts): void {
  only(what, isPlain(parts));
  if (parts.conditions.length === 0 && !parts.everyRow) {
    throw new BuilderError(`${what} without a condition; say \`everyRow()\` if that is meant`);
  }
}

function isPlain(parts: Parts): boolean {
  const read = parts.columns.length === 0 && parts.joins.length === 0 && parts.order.length === 0;
  return read && parts.limit === null && parts.offset === null;
}

function only(what: string, plain: boolean): void {
  if (!plain) {
    throw new BuilderError(`${what} cannot be combined with select, join, orderBy or limit`);
  }
}

function checkName(name: string): string {
  if (typeof name !== "string" || !NAME.test(name)) {
    throw new BuilderError(`\`${name}\` is not the name of a table or column`);
  }
  return name;
}

/** `column` or `table.column`. */
function checkColumn(column: string): string {
  const dot = typeof column === "string" ? column.indexOf(".") : -1;
  if (dot < 0) {
    return checkName(column);
  }
  return `${checkName(column.slice(0, dot))}.${checkName(column.slice(dot + 1))}`;
}

/** A column, `*` or `table.*`. */
function checkSelected(column: string): string {
  if (column === "*") {
    return column;
  }
  if (typeof column === "string" && column.endsWith(".*")) {
    return `${checkName(column.slice(0, -2))}.*`;
  }
  return checkColumn(column);
}

function checkOperator(operator: string): string {
  const known = typeof operator === "string" ? OPERATORS.get(operator.toLowerCase()) : undefined;
  if (known === undefined) {
    throw new BuilderError(`\`${String(operator)}\` is not a comparison`);
  }
  return known;
}

function checkDirection(direction: string): string {
  if (direction === "asc") {
    return "ASC";
  }
  if (direction === "desc") {
    return "DESC";
  }
  throw new BuilderError(`\`${String(direction)}\` is no order; it is \`asc\` or \`desc\``);
}

/** The number becomes text of the statement, so that it has to be one. */
function checkRows(what: string, rows: number): number {
  if (!Number.isInteger(rows) || rows < 0 || rows > MOST_ROWS) {
    throw new BuilderError(`\`${String(rows)}\` is no ${what}`);
  }
  return rows;
}
