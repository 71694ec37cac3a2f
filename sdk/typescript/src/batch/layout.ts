/** Numbers of the batch format. The format is specified in `batch.md` beside the contract. */

/** What a column holds. `BIG_INTEGER` is no column's kind: such numbers stand in variants. */
export const Kind = {
  NULL: 0,
  BOOL: 1,
  INT8: 2,
  INT16: 3,
  INT32: 4,
  INT64: 5,
  FLOAT32: 6,
  FLOAT64: 7,
  STRING: 8,
  BYTES: 9,
  DECIMAL: 10,
  INSTANT: 11,
  LIST: 12,
  MAP: 13,
  STRUCT: 14,
  OBJECT: 15,
  VARIANT: 16,
  DICTIONARY: 17,
  HEADERS: 18,
  BIG_INTEGER: 100,
} as const;

/** What a top-level column is for. Roles that are not known are kept. */
export const Role = {
  TOPIC: 1,
  PARTITION: 2,
  TIMESTAMP: 3,
  TIMESTAMP_TYPE: 4,
  HEADERS: 5,
  SOURCE_PARTITION: 6,
  SOURCE_OFFSET: 7,
  OFFSET: 8,
  ORIGINAL_TOPIC: 9,
  ORIGINAL_PARTITION: 10,
  ORIGINAL_OFFSET: 11,
  ORIGIN: 12,
  CHILD: 13,
  SELECTION: 14,
  KEY_TAGS: 15,
  VALUE_TAGS: 16,
  KEY: 17,
  VALUE: 18,
} as const;

export const HEADER_LENGTH = 32;
export const NODE_LENGTH = 40;
/** Numbers of 32 bits in an entry of the directory. */
export const NODE_WORDS = NODE_LENGTH / 4;
/** `MSB1`, as a number. */
export const MAGIC = 0x3142534d;
export const SCHEMA_ENTRY_LENGTH = 12;
export const NO_SCHEMA = 0xffffffff;
export const NO_SCHEMA_16 = 0xffff;
export const FLAG_CONSTANT = 1;
export const FLAG_VALID = 2;
export const FLAG_PRESENT = 4;

export const MAX_COLUMN_DEPTH = 64;
/** How deep columns that this SDK makes nest before variants take over. */
export const MAX_NESTING = 24;
export const MAX_VARIANT_DEPTH = 1000;
export const MAX_SCHEMA_DEPTH = 64;
export const MAX_VARIANT_NAMES = 4096;
export const MAX_BLOCKS = 255;
/** Members that a schemaless map may have before its column is one of variants. */
export const MAX_MEMBERS = 256;

/** Bytes per row of kinds with fixed width; 0 for others. */
export const WIDTH = [0, 0, 1, 2, 4, 8, 4, 8, 0, 0, 0, 8, 0, 0, 0, 0, 0, 4, 0];

/** Whether the data is offsets followed by a heap of bytes. */
export function isHeap(kind: number): boolean {
  return kind === Kind.STRING || kind === Kind.BYTES || kind === Kind.DECIMAL || kind === Kind.VARIANT || kind === Kind.HEADERS;
}

/** Tags of values in variants. */
export const Tag = {
  NULL: 0,
  FALSE: 1,
  TRUE: 2,
  INT8: 3,
  INT16: 4,
  INT32: 5,
  INT64: 6,
  FLOAT32: 7,
  FLOAT64: 8,
  STRING: 9,
  BYTES: 10,
  DECIMAL: 11,
  BIG_INTEGER: 12,
  INSTANT: 13,
  LIST: 14,
  MAP: 15,
  OBJECT: 16,
  STRUCT: 17,
} as const;
