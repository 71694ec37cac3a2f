/**
 * Handles of host objects are given back: a component may hold a thousand at a time.
 *
 * Those that a plugin closes are given back at once. Others are when nobody refers to them any more: that is looked for
 * before there are many.
 */

interface Disposable {
  [Symbol.dispose](): void;
}

interface Held {
  /** What the handle is used through. */
  user: WeakRef<object> | null;
  handle: Disposable | null;
}

/** Handles from which on it is looked for those that nobody uses. */
const FEW = 64;

let all: Held[] = [];
let most = FEW;

function giveBack(held: Held): void {
  const { handle } = held;
  held.handle = null;
  handle?.[Symbol.dispose]();
}

function giveUnusedBack(): void {
  const used: Held[] = [];
  for (const held of all) {
    if (held.handle === null) continue;
    if (held.user?.deref() === undefined) giveBack(held);
    else used.push(held);
  }
  all = used;
  most = Math.max(FEW, used.length * 2);
}

/** Makes the object through which a handle is used; it gets a function that gives the handle back, once. */
export function owning<T extends object>(handle: Disposable, make: (close: () => void) => T): T {
  const held: Held = { user: null, handle };
  const made = make(() => giveBack(held));
  held.user = new WeakRef(made);
  if (all.length >= most) giveUnusedBack();
  all.push(held);
  return made;
}

/** Uses a handle and gives it back, whatever comes. */
export function using<H extends Disposable, T>(handle: H, work: (handle: H) => T): T {
  try {
    return work(handle);
  } finally {
    handle[Symbol.dispose]();
  }
}
