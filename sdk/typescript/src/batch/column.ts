/** One column of a batch: its buffers, and reading single rows. */

import { decodeUtf8, encodeUtf8 } from '../utf8';
import { bigintOfBytes, Decimal, type Int64 } from '../values';
import { bytesFor, filledBits, getBit, setBit } from './bits';
import { int64At, setInt64, viewOf } from './bytes';
import { Kind, WIDTH } from './layout';

type Numbers = Int8Array | Int16Array | Int32Array | Uint32Array | Float32Array | Float64Array | BigInt64Array;
type NumbersClass<T extends Numbers> = { new (buffer: ArrayBufferLike, at: number, length: number): T; BYTES_PER_ELEMENT: number };

/** The numbers in bytes: in place where they are aligned, else copied. */
export function numbersIn<T extends Numbers>(Class: NumbersClass<T>, bytes: Uint8Array, count: number): T {
  const width = Class.BYTES_PER_ELEMENT;
  if (bytes.byteOffset % width === 0) return new Class(bytes.buffer, bytes.byteOffset, count);
  return new Class(bytes.slice(0, count * width).buffer, 0, count);
}

/** A column. What is read from a batch shares its bytes: treat them as read-only. */
export class Column {
  name = '';
  children: Column[] = [];
  /** Bitmap of values that are not null; null if all are. */
  valid: Uint8Array | null = null;
  /** Bitmap of maps that have this member; null if all do. */
  present: Uint8Array | null = null;
  #offsets: Uint32Array | null = null;
  #texts: string[] | null = null;
  #view: DataView | null = null;

  constructor(
    /** One of {@link Kind}. */
    readonly kind: number,
    /** Rows that it stands for. */
    readonly rows: number,
    readonly data: Uint8Array,
    /** Whether one physical row stands for all. */
    readonly constant = false,
  ) {}

  /** Nothing but nulls. */
  static nulls(rows: number): Column {
    return new Column(Kind.NULL, rows, NOTHING);
  }

  /** The same text in every row. */
  static constantText(rows: number, text: string): Column {
    return rows === 0 ? Column.texts([]) : Column.texts([text]).repeated(rows);
  }

  /** A text per row. `null` and `undefined` are null. */
  static texts(texts: readonly (string | null | undefined)[]): Column {
    let rows = texts;
    let valid: Uint8Array | null = null;
    if (texts.some((text) => text === null || text === undefined)) {
      valid = validOf(texts);
      rows = texts.map((text) => text ?? '');
    }
    const column = new Column(Kind.STRING, rows.length, textData(rows as string[]));
    column.valid = valid;
    return column;
  }

  /** Numbers of a kind with fixed width; the caller has seen that they fit. `null` is null. */
  static numbers(kind: number, values: readonly (Int64 | null | undefined)[]): Column {
    const width = WIDTH[kind]!;
    const data = new Uint8Array(values.length * width);
    const view = viewOf(data);
    let nulls = false;
    for (let row = 0; row < values.length; row++) {
      const value = values[row];
      if (value === null || value === undefined) nulls = true;
      else setNumber(view, kind, row * width, value);
    }
    const column = new Column(kind, values.length, data);
    if (nulls) column.valid = validOf(values);
    return column;
  }

  static int8s(values: readonly (number | null)[]): Column {
    return Column.numbers(Kind.INT8, values);
  }

  static int32s(values: readonly (number | null)[]): Column {
    return Column.numbers(Kind.INT32, values);
  }

  static int64s(values: readonly (Int64 | null)[]): Column {
    return Column.numbers(Kind.INT64, values);
  }

  static float64s(values: readonly (number | null)[]): Column {
    return Column.numbers(Kind.FLOAT64, values);
  }

  static booleans(values: readonly (boolean | null)[]): Column {
    const data = new Uint8Array(bytesFor(values.length));
    for (let row = 0; row < values.length; row++) if (values[row] === true) setBit(data, row, true);
    const column = new Column(Kind.BOOL, values.length, data);
    if (values.some((value) => value === null || value === undefined)) column.valid = validOf(values);
    return column;
  }

  /** Rows that are there in fact. */
  get physicalRows(): number {
    return this.constant ? 1 : this.rows;
  }

  /** Whether no row is null or absent. */
  get isFull(): boolean {
    return this.kind !== Kind.NULL && this.valid === null && this.present === null;
  }

  /** The same column under a name. */
  named(name: string): Column {
    if (this.name === name) return this;
    const column = this.#copy(this.rows, this.constant);
    column.name = name;
    return column;
  }

  /** A column of one row standing for many. */
  repeated(rows: number): Column {
    return this.#copy(rows, true);
  }

  withChildren(children: Column[]): Column {
    this.children = children;
    return this;
  }

  #copy(rows: number, constant: boolean): Column {
    const column = new Column(this.kind, rows, this.data, constant);
    column.name = this.name;
    column.children = this.children;
    column.valid = this.valid;
    column.present = this.present;
    return column;
  }

  /** Whether the row is null. Members that a map does not have count as null. */
  isNull(row: number): boolean {
    if (this.kind === Kind.NULL) return true;
    const at = this.constant ? 0 : row;
    return (this.valid !== null && !getBit(this.valid, at)) || (this.present !== null && !getBit(this.present, at));
  }

  /** Members of schemaless maps: whether the map of this row does not have it. */
  isAbsent(row: number): boolean {
    return this.present !== null && !getBit(this.present, this.constant ? 0 : row);
  }

  /** Where rows begin in the heap or the children, and where the last one ends. */
  get offsets(): Uint32Array {
    return (this.#offsets ??= numbersIn(Uint32Array, this.data, this.physicalRows + 1));
  }

  get #numbers(): DataView {
    return (this.#view ??= viewOf(this.data));
  }

  /** The bytes of a row of a heap. */
  bytes(row: number): Uint8Array {
    const at = this.constant ? 0 : row;
    const heap = (this.physicalRows + 1) * 4;
    return this.data.subarray(heap + this.offsets[at]!, heap + this.offsets[at + 1]!);
  }

  /** All texts of a column of texts, physical row by physical row. Nulls are whatever stands there. */
  texts(): string[] {
    if (this.#texts !== null) return this.#texts;
    if (this.kind === Kind.DICTIONARY) {
      const words = this.children[0]!.texts();
      const codes = this.typed(Uint32Array);
      return (this.#texts = Array.from(codes, (code) => words[code]!));
    }
    const rows = this.physicalRows;
    const { offsets } = this;
    const heap = this.data.subarray((rows + 1) * 4);
    const whole = decodeUtf8(heap);
    const texts = new Array<string>(rows);
    if (whole.length === heap.length) {
      for (let row = 0; row < rows; row++) texts[row] = whole.substring(offsets[row]!, offsets[row + 1]!);
    } else {
      for (let row = 0; row < rows; row++) texts[row] = decodeUtf8(heap.subarray(offsets[row]!, offsets[row + 1]!));
    }
    return (this.#texts = texts);
  }

  /** The text of a row, which is not null. */
  text(row: number): string {
    if (this.#texts !== null) return this.#texts[this.constant ? 0 : row]!;
    if (this.kind === Kind.DICTIONARY) return this.texts()[this.constant ? 0 : row]!;
    return decodeUtf8(this.bytes(row));
  }

  boolean(row: number): boolean {
    return getBit(this.data, this.constant ? 0 : row);
  }

  /** A number of a kind with fixed width; INT64 and instants are a bigint where a number would not be exact. */
  number(row: number): Int64 {
    const at = this.constant ? 0 : row;
    const view = this.#numbers;
    switch (this.kind) {
      case Kind.INT8:
        return view.getInt8(at);
      case Kind.INT16:
        return view.getInt16(at * 2, true);
      case Kind.INT32:
        return view.getInt32(at * 4, true);
      case Kind.DICTIONARY:
        return view.getUint32(at * 4, true);
      case Kind.FLOAT32:
        return view.getFloat32(at * 4, true);
      case Kind.FLOAT64:
        return view.getFloat64(at * 8, true);
      default:
        return int64At(view, at * 8);
    }
  }

  decimal(row: number): Decimal {
    const bytes = this.bytes(row);
    return new Decimal(bigintOfBytes(bytes.subarray(4)), viewOf(bytes).getInt32(0, true));
  }

  /** The numbers of a kind with fixed width as a typed array of that width, physical row by physical row. */
  typed<T extends Numbers>(Class: NumbersClass<T>): T {
    return numbersIn(Class, this.data, this.physicalRows);
  }

  /** The same values with a physical row for each. */
  expanded(): Column {
    return this.constant ? this.#taken(new Uint32Array(this.rows)) : this;
  }

  /** The chosen rows, in that order. */
  take(rows: ArrayLike<number>): Column {
    if (this.constant) return rows.length === 0 ? this.#taken([]) : this.#copy(rows.length, true);
    return this.#taken(rows);
  }

  #taken(rows: ArrayLike<number>): Column {
    const count = rows.length;
    let data: Uint8Array = NOTHING;
    let children = this.children;
    const width = WIDTH[this.kind]!;
    if (this.kind === Kind.BOOL) data = takeBits(this.data, rows);
    else if (width > 0) {
      data = new Uint8Array(count * width);
      for (let at = 0; at < count; at++) data.set(this.data.subarray(rows[at]! * width, (rows[at]! + 1) * width), at * width);
    } else if (this.kind === Kind.LIST || this.kind === Kind.MAP) {
      const { offsets } = this;
      const inner: number[] = [];
      data = new Uint8Array((count + 1) * 4);
      const view = viewOf(data);
      for (let at = 0; at < count; at++) {
        for (let element = offsets[rows[at]!]!; element < offsets[rows[at]! + 1]!; element++) inner.push(element);
        view.setUint32((at + 1) * 4, inner.length, true);
      }
      children = children.map((child) => child.take(inner).named(child.name));
    } else if (this.kind === Kind.STRUCT || this.kind === Kind.OBJECT) {
      children = children.map((child) => child.take(rows).named(child.name));
    } else if (this.kind !== Kind.NULL) {
      const parts: Uint8Array[] = [];
      for (let at = 0; at < count; at++) parts.push(this.bytes(rows[at]!));
      data = heapData(parts);
    }
    const column = new Column(this.kind, count, data);
    column.name = this.name;
    column.children = children;
    if (this.valid !== null) column.valid = takeBits(this.valid, rows);
    if (this.present !== null) column.present = takeBits(this.present, rows);
    return column;
  }
}

const NOTHING = new Uint8Array(0);

function takeBits(bits: Uint8Array, rows: ArrayLike<number>): Uint8Array {
  const taken = filledBits(rows.length, false);
  for (let at = 0; at < rows.length; at++) if (getBit(bits, rows[at]!)) setBit(taken, at, true);
  return taken;
}

/** A bitmap of the values that are not null. */
export function validOf(values: readonly unknown[]): Uint8Array {
  const valid = new Uint8Array(bytesFor(values.length));
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value !== null && value !== undefined) valid[row >> 3]! |= 1 << (row & 7);
  }
  return valid;
}

/** Writes a number of a kind with fixed width. */
export function setNumber(view: DataView, kind: number, at: number, value: Int64): void {
  switch (kind) {
    case Kind.INT8:
      return view.setInt8(at, Number(value));
    case Kind.INT16:
      return view.setInt16(at, Number(value), true);
    case Kind.INT32:
      return view.setInt32(at, Number(value), true);
    case Kind.DICTIONARY:
      return view.setUint32(at, Number(value), true);
    case Kind.FLOAT32:
      return view.setFloat32(at, Number(value), true);
    case Kind.FLOAT64:
      return view.setFloat64(at, Number(value), true);
    default:
      return setInt64(view, at, value);
  }
}

/** Offsets and bytes of texts: encoded at once where every character takes a byte. */
export function textData(texts: readonly string[]): Uint8Array {
  const whole = texts.join('');
  const bytes = encodeUtf8(whole);
  if (bytes.length !== whole.length) return heapData(texts.map(encodeUtf8));
  const heap = (texts.length + 1) * 4;
  const data = new Uint8Array(heap + bytes.length);
  const offsets = new Uint32Array(data.buffer, 0, texts.length + 1);
  let end = 0;
  for (let row = 0; row < texts.length; row++) offsets[row + 1] = end += texts[row]!.length;
  data.set(bytes, heap);
  return data;
}

/** Offsets and bytes, row by row. */
export function heapData(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const heap = (parts.length + 1) * 4;
  const data = new Uint8Array(heap + length);
  const offsets = new Uint32Array(data.buffer, 0, parts.length + 1);
  let end = 0;
  for (let row = 0; row < parts.length; row++) {
    data.set(parts[row]!, heap + end);
    offsets[row + 1] = end += parts[row]!.length;
  }
  return data;
}
