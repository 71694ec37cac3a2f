/** A sink: keeps a running total per key in a file, and shows how records that can never be written are reported. */

import { DataError, FatalError, File, javaClass, key, opens, plugins, sink, type SinkContext, type SinkRecord, valueText } from 'millstream';

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** The task takes the records. */
class TotalTask {
  readonly #file: File;
  readonly #totals = new Map<string, bigint>();

  constructor(readonly context: SinkContext) {
    const file = File.open('file');
    if (file === null) throw new FatalError('the file was not created');
    this.#file = file;
  }

  put(records: SinkRecord[]): void {
    let lines = '';
    const rejected: { record: SinkRecord; error: DataError }[] = [];
    for (const record of records) {
      const { value, valueSchema } = record;
      if (javaClass(value, valueSchema) !== 'java.lang.Long') {
        rejected.push({ record, error: new DataError(`expected a whole number, found a ${javaClass(value, valueSchema)}`) });
        continue;
      }
      const name = valueText(record.key, record.keySchema);
      const total = clamped((this.#totals.get(name) ?? 0n) + BigInt(value));
      this.#totals.set(name, total);
      lines += `${name}=${total}\n`;
    }
    // Goes to the error policy of the task; throws if it tolerates none.
    this.context.report(...rejected);
    this.#file.write(lines);
  }

  flush(): void {
    // Offsets are committed when this returns, so everything has to be safe by then.
    this.#file.sync();
  }
}

function clamped(total: bigint): bigint {
  if (total > INT64_MAX) return INT64_MAX;
  return total < INT64_MIN ? INT64_MIN : total;
}

/** Kafka deals topic partitions out to as many tasks as are asked for: no `connector` of its own is needed. */
export const totalSink = sink({
  class: 'org.example.TotalSinkConnector',
  version: '0.1.0',
  doc: 'Adds up the whole numbers under each key.',
  config: {
    // `opens` is what lets the plugin open the file that the user names: it can reach no other.
    file: key.string('file').required().importance('high').doc('File that totals are written to, a line for each change.').opens(opens.appendFile),
  },
  task: (_, context) => new TotalTask(context),
  exact: true,
});

export default plugins(totalSink);
