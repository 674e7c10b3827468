/** What applets find beside the language itself: `"types": ["@applet-host/sdk/globals"]` in tsconfig.json. */

declare var console: {
  debug(...values: unknown[]): void;
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
};

declare var crypto: {
  getRandomValues<T extends ArrayBufferView>(view: T): T;
  randomUUID(): string;
};

declare var performance: {
  /** Milliseconds, coarse. */
  now(): number;
};

declare function queueMicrotask(job: () => void): void;
declare function atob(base64: string): string;
declare function btoa(bytes: string): string;
