// Written by `applet types`; run it again when the manifest or the database changes.

import type { CalendarDate, Timestamp } from "@applet-host/sdk";

/** The tables that `support-desk` asks for, and what it may do with their columns. */
export interface Database {
  chat_messages: {
    insert: {
      chat_id?: any;
      content?: any;
      sender_type?: any;
    };
    update: {
      read_at?: any;
    };
  };
  chats: {
    select: Record<string, any>;
    update: {
      closed_at?: any;
      deleted_at?: any;
      status?: any;
    };
  };
  clients: {
    select: {
      email: any;
      first_name: any;
      id: any;
      last_name: any;
    };
  };
  ticket_tags: {
    select: {
      id: number;
      tenant_id: string;
      ticket_id: string;
      tag: string;
      created_at: Timestamp;
      updated_at: Timestamp;
    };
    insert: {
      ticket_id: string;
      tag: string;
      updated_at?: Date | Timestamp | string;
    };
    update: {
      ticket_id?: string;
      tag?: string;
      updated_at?: Date | Timestamp | string;
    };
  };
  /** One row per question of a client */
  tickets: {
    select: {
      id: string;
      tenant_id: string;
      number: number;
      client_id: bigint;
      parent_id: string | null;
      subject: string;
      body: string | null;
      urgent: boolean;
      hours: string | null;
      due_on: CalendarDate | null;
      opened_at: Timestamp | null;
      fields: string;
      attachment: Uint8Array | null;
      deleted_at: Timestamp | null;
      created_at: Timestamp;
      updated_at: Timestamp;
    };
    insert: {
      id?: string;
      number: number;
      client_id: number | bigint;
      parent_id?: string | null;
      subject: string;
      body?: string | null;
      urgent?: boolean;
      hours?: number | string | null;
      due_on?: CalendarDate | string | null;
      opened_at?: Date | Timestamp | string | null;
      fields?: object | string;
      attachment?: Uint8Array | null;
      deleted_at?: Date | Timestamp | string | null;
      updated_at?: Date | Timestamp | string;
    };
    update: {
      number?: number;
      client_id?: number | bigint;
      parent_id?: string | null;
      subject?: string;
      body?: string | null;
      urgent?: boolean;
      hours?: number | string | null;
      due_on?: CalendarDate | string | null;
      opened_at?: Date | Timestamp | string | null;
      fields?: object | string;
      attachment?: Uint8Array | null;
      deleted_at?: Date | Timestamp | string | null;
      updated_at?: Date | Timestamp | string;
    };
  };
  users: {
    select: Record<string, any>;
  };
}
