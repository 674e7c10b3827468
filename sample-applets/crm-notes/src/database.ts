// Written by `applet types`; run it again when the manifest or the database changes.

/** The tables that `crm-notes` asks for, and what it may do with their columns. */
export interface Database {
  clients: {
    select: {
      id: number;
      first_name: string;
      last_name: string;
      last_contacted_at: Date | null;
      deleted_at: Date | null;
    };
    update: {
      last_contacted_at?: Date | string | null;
    };
  };
  /** One row per note */
  notes: {
    select: {
      id: number;
      tenant_id: string;
      client_id: number;
      body: string;
      pinned: boolean;
      labels: Record<string, unknown> | null;
      created_at: Date;
      updated_at: Date;
      deleted_at: Date | null;
    };
    insert: {
      client_id: number | bigint;
      body: string;
      pinned?: boolean;
      labels?: object | null;
      updated_at?: Date | string;
      deleted_at?: Date | string | null;
    };
    update: {
      client_id?: number | bigint;
      body?: string;
      pinned?: boolean;
      labels?: object | null;
      updated_at?: Date | string;
      deleted_at?: Date | string | null;
    };
  };
}
