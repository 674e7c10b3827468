/**
 * Promises whose callbacks wait in a queue that the SDK can empty.
 *
 * A hook is an ordinary function to the host: it has to have its answer when it returns. The engine's own
 * promises go on only after that. So the build turns `async` functions into generators over `Promise`, and
 * this class takes that name ({@link install}); {@link settle} then runs what is waiting. Since every call of
 * the host is answered at once, a hook that only waits for those is done when the queue is empty.
 */

type Job = () => void;
type Resolve<T> = (value: T | PromiseLike<T>) => void;
type Reject = (reason?: unknown) => void;

const queue: Job[] = [];

/** Rejected promises that nobody has listened to yet. */
const unheard = new Set<Task<unknown>>();

function runJobs(): void {
  for (let next = 0; next < queue.length; next++) {
    const job = queue[next];
    // Kept short while jobs make jobs, so that a long loop of awaits does not hold what it is done with.
    if (next === 1023) {
      queue.splice(0, next + 1);
      next = -1;
    }
    job?.();
  }
  queue.length = 0;
}

/** A promise of this queue. What `Promise` is in an applet. */
export class Task<T> implements PromiseLike<T> {
  #state: "pending" | "fulfilled" | "rejected" = "pending";
  #value: unknown;
  #waiting: Job[] | null = [];

  constructor(executor: (resolve: Resolve<T>, reject: Reject) => void) {
    if (typeof executor !== "function") {
      throw new TypeError("a promise is made with a function");
    }
    const [resolve, reject] = this.#resolvers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }

  static get [Symbol.species](): typeof Task {
    return Task;
  }

  /** Both end the same promise, and only the first call of either counts. */
  #resolvers(): [Resolve<T>, Reject] {
    let open = true;
    const once =
      (end: (value: unknown) => void) =>
      (value?: unknown): void => {
        if (open) {
          open = false;
          end(value);
        }
      };
    return [once((value) => this.#follow(value)), once((reason) => this.#end("rejected", reason))];
  }

  #follow(value: unknown): void {
    if (value === this) {
      this.#end("rejected", new TypeError("a promise cannot wait for itself"));
      return;
    }
    if ((typeof value !== "object" || value === null) && typeof value !== "function") {
      this.#end("fulfilled", value);
      return;
    }
    let then: unknown;
    try {
      then = (value as { then?: unknown }).then;
    } catch (error) {
      this.#end("rejected", error);
      return;
    }
    if (typeof then !== "function") {
      this.#end("fulfilled", value);
      return;
    }
    queue.push(() => {
      const [resolve, reject] = this.#resolvers();
      try {
        Reflect.apply(then, value, [resolve, reject]);
      } catch (error) {
        reject(error);
      }
    });
  }

  #end(state: "fulfilled" | "rejected", value: unknown): void {
    const waiting = this.#waiting ?? [];
    this.#state = state;
    this.#value = value;
    this.#waiting = null;
    if (state === "rejected" && waiting.length === 0) {
      unheard.add(this as Task<unknown>);
    }
    queue.push(...waiting);
  }

  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Task<A | B> {
    unheard.delete(this as Task<unknown>);
    return new Task<A | B>((resolve, reject) => {
      const job = (): void => {
        const fulfilled = this.#state === "fulfilled";
        const listener = fulfilled ? onFulfilled : onRejected;
        try {
          if (typeof listener === "function") {
            resolve((listener as (value: unknown) => A | B | PromiseLike<A | B>)(this.#value));
          } else if (fulfilled) {
            resolve(this.#value as A);
          } else {
            reject(this.#value);
          }
        } catch (error) {
          reject(error);
        }
      };
      if (this.#waiting === null) {
        queue.push(job);
      } else {
        this.#waiting.push(job);
      }
    });
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Task<T | B> {
    return this.then(null, onRejected);
  }

  finally(onEnd?: (() => unknown) | null): Task<T> {
    if (typeof onEnd !== "function") {
      return this.then();
    }
    return this.then(
      (value) => Task.resolve(onEnd()).then(() => value),
      (reason) =>
        Task.resolve(onEnd()).then(() => {
          throw reason;
        }),
    );
  }

  static resolve<V = void>(value?: V | PromiseLike<V>): Task<Awaited<V>> {
    return value instanceof Task ? (value as Task<Awaited<V>>) : new Task((resolve) => resolve(value as Awaited<V>));
  }

  static reject<V = never>(reason?: unknown): Task<V> {
    return new Task((_, reject) => reject(reason));
  }

  static withResolvers<V>(): { promise: Task<V>; resolve: Resolve<V>; reject: Reject } {
    let resolve!: Resolve<V>;
    let reject!: Reject;
    const promise = new Task<V>((onResolve, onReject) => {
      resolve = onResolve;
      reject = onReject;
    });
    return { promise, resolve, reject };
  }

  static try<V>(work: (...args: unknown[]) => V | PromiseLike<V>, ...args: unknown[]): Task<V> {
    return new Task((resolve) => resolve(work(...args)));
  }

  static all(values: Iterable<unknown>): Task<unknown[]> {
    return gather(values, (each, put, _, reject) => each.then(put, reject));
  }

  static allSettled(values: Iterable<unknown>): Task<unknown[]> {
    return gather(values, (each, put) =>
      each.then(
        (value) => put({ status: "fulfilled", value }),
        (reason) => put({ status: "rejected", reason }),
      ),
    );
  }

  static race(values: Iterable<unknown>): Task<unknown> {
    return new Task((resolve, reject) => {
      for (const value of values) {
        Task.resolve(value).then(resolve, reject);
      }
    });
  }

  static any(values: Iterable<unknown>): Task<unknown> {
    const inverse = gather(values, (each, put, end) => each.then(end, put));
    return inverse.then(
      (reasons) => {
        throw new AggregateError(reasons, "all promises were rejected");
      },
      (first) => (first as { value: unknown }).value,
    );
  }
}

/** Waits for all; `end` stops waiting with a value, as a rejection that carries it. */
function gather(
  values: Iterable<unknown>,
  listen: (each: Task<unknown>, put: (value: unknown) => void, end: (value: unknown) => void, reject: Reject) => unknown,
): Task<unknown[]> {
  return new Task((resolve, reject) => {
    const gathered: unknown[] = [];
    let left = 1;
    const done = (): void => {
      left -= 1;
      if (left === 0) {
        resolve(gathered);
      }
    };
    let place = 0;
    for (const value of values) {
      const at = place++;
      left += 1;
      const put = (value: unknown): void => {
        gathered[at] = value;
        done();
      };
      listen(Task.resolve(value), put, (value) => reject({ value }), reject);
    }
    done();
  });
}

/** What became of a hook. */
export type Outcome =
  | { readonly state: "done"; readonly value: unknown }
  | { readonly state: "failed"; readonly error: unknown }
  | { readonly state: "waiting" };

/**
 * Runs a function and everything that it leaves waiting, and tells what came of it. A rejection that nobody
 * has listened to counts as its failure: most likely an `await` was forgotten, and a write has not happened.
 */
export function settle(work: () => unknown): Outcome {
  let outcome: Outcome = { state: "waiting" };
  new Task((resolve) => resolve(work())).then(
    (value) => {
      outcome = { state: "done", value };
    },
    (error: unknown) => {
      outcome = { state: "failed", error };
    },
  );
  runJobs();
  const [forgotten] = unheard;
  unheard.clear();
  if (forgotten !== undefined && (outcome as Outcome).state === "done") {
    forgotten.catch((error: unknown) => {
      outcome = { state: "failed", error };
    });
    runJobs();
  }
  return outcome;
}

/** Makes `Promise` this class, for the applet and everything in its bundle. */
export function install(): void {
  Object.assign(globalThis, { Promise: Task, queueMicrotask: (job: Job): void => void Task.resolve().then(job) });
}
