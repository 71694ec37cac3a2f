/** The sink: writes down the records that it is given. */
import { DataError, File, key, log, opens, sink } from 'millstream';
import { Actions, doKey, failure, get, own } from './kit';
import { show } from './show';
import { act, numbered } from './source';
const keys = {
    file: key.string('file').importance('high').opens(opens.appendFile),
    why: key.string('why').opens(opens.topic('${connector}-why', 'why.replication')),
    whyReplication: key.short('why.replication').default(1),
    url: key.string('url').opens(opens.httpUrl()),
    db: key.string('db').opens(opens.sql()),
    do: doKey,
};
const shown = (partitions) => partitions.map(({ topic, partition }) => ` ${topic}-${partition}`).join('');
function line(record) {
    const { topic, partition, offset, key, keySchema, value, valueSchema, headers, timestamp } = record;
    const parts = [`${topic}-${partition}@${offset}`, show(key, keySchema), show(value, valueSchema)];
    parts.push(...headers.map((header) => `${header.key}=${show(header.value, header.schema)}`));
    if (timestamp !== null)
        parts.push(`ts=${timestamp}`);
    return parts.join(' ');
}
class KitSinkTask {
    config;
    context;
    #actions;
    #file;
    /** What an action has put in the place of "all offsets". */
    #offsets = null;
    constructor(config, context) {
        this.config = config;
        this.context = context;
        this.#actions = new Actions(config.do);
        log.info('start');
        this.#act('start');
        this.#file = (config.file ?? '') === '' ? null : File.open('file');
    }
    open(partitions) {
        log.info(`open${shown(partitions)}`);
        this.#act('open');
    }
    put(records) {
        log.info(`put ${records.length}`);
        this.#act('put');
        const isBad = ({ value }) => typeof value === 'string' && value.startsWith('bad ');
        const lines = records.filter((record) => !isBad(record)).map(line);
        this.context.report(...records.filter(isBad).map((record) => ({ record, error: new DataError(record.value.slice(4)) })));
        if (this.#file === null)
            for (const text of lines)
                log.info(`record ${text}`);
        else
            this.#file.write(lines.map((text) => `${text}\n`).join(''));
    }
    preCommit(offsets) {
        log.info(`pre-commit${offsets.map(({ topic, partition, offset }) => ` ${topic}-${partition}@${offset}`).join('')}`);
        this.#act('pre-commit');
        this.#file?.sync();
        const instead = this.#offsets;
        this.#offsets = null;
        return instead;
    }
    close(partitions) {
        log.info(`close${shown(partitions)}`);
        this.#act('close');
    }
    stop() {
        log.info('stop');
        this.#act('stop');
    }
    #act(place) {
        const { context } = this;
        this.#actions.run(place, ([name, ...words]) => {
            const [first = '', second = '', third = ''] = words;
            const at = { topic: first, partition: Number(second) };
            if (name === 'assignment')
                log.info(`assignment${shown(context.assignment())}`);
            else if (name === 'seek')
                context.seek({ ...at, offset: BigInt(third) });
            else if (name === 'pause')
                context.pause(at);
            else if (name === 'resume')
                context.resume(at);
            else if (name === 'timeout')
                context.timeout(Number(first));
            else if (name === 'request-commit')
                context.requestCommit();
            else if (name === 'offsets')
                this.#offsets = first === 'none' ? [] : [{ ...at, offset: BigInt(third) }];
            else if (name === 'say')
                context.write('why', [{ value: words.join(' '), headers: [['by', 'kit']] }]);
            else if (name === 'report')
                context.report({ record: { row: Number(first) }, error: second === 'own' ? own() : failure(second, place) });
            else if (name === 'http')
                get(this.config.url);
            else
                return false;
            return true;
        });
    }
}
export const kitSink = sink({
    class: 'org.millstream.kit.KitSinkConnector',
    version: '1.0.0',
    doc: 'Writes down the records that it is given.',
    wantsLease: true,
    config: keys,
    connector(config, context) {
        const actions = new Actions(config.do);
        log.info('connector-start');
        act(actions, context, 'connector-start');
        return {
            taskConfigs(maxTasks) {
                log.info(`task-configs ${maxTasks}`);
                act(actions, context, 'task-configs');
                return numbered(config.originals, maxTasks);
            },
            stop() {
                log.info('connector-stop');
                act(actions, context, 'connector-stop');
            },
        };
    },
    task: (config, context) => new KitSinkTask(config, context),
    validate(config) {
        log.info('validate');
        new Actions(config.get('do')).run('validate');
    },
    alterOffsets(config, offsets) {
        for (const [{ topic, partition }, to] of offsets)
            log.info(`alter-offsets ${topic}-${partition} ${to === null ? 'null' : to.offset}`);
        new Actions(config.get('do')).run('alter-offsets');
        return true;
    },
    exact: true,
});
