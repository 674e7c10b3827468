// Written by `applet types`; run it again when the manifest or the database changes.

/** The tables that `{{id}}` asks for, and what it may do with their columns. */
export interface Database {
  /** One row per note */
  notes: {
    select: {
      id: number;
      tenant_id: string;
      body: string;
      created_at: Date;
      updated_at: Date;
    };
    insert: {
      body: string;
      updated_at?: Date | string;
    };
    update: {
      body?: string;
      updated_at?: Date | string;
    };
  };
}
