/** The transforms and the predicate. */
import { DataError, key, predicate, Schema, transform } from 'millstream';
import { Actions, doKey, failure, own, panicOnPurpose } from './kit';
const info = (name) => ({ class: `org.millstream.kit.${name}`, version: '1.0.0', doc: 'Kit transform.' });
/** The actions, after those of `configure`. */
function configured(config) {
    const actions = new Actions(config.do);
    actions.run('configure');
    return actions;
}
/** Takes records apart and makes new ones of the parts. */
export const echo = transform({
    ...info('Echo'),
    config: { do: doKey },
    create(config) {
        const actions = configured(config);
        return {
            apply({ topic, partition, timestamp, key, keySchema, value, valueSchema, headers }) {
                actions.run('apply');
                const again = headers.map((header) => ({ ...header }));
                return { topic, partition, timestamp, key, keySchema, value, valueSchema, headers: again };
            },
        };
    },
});
/** Sends records to another topic, without a look at what is in them. */
export const stamp = transform({
    ...info('Stamp'),
    config: { topic: key.string('topic').required().nonEmpty(), do: doKey },
    create(config) {
        const actions = configured(config);
        return {
            applyBatch(records) {
                actions.run('apply');
                records.setTopic(config.topic);
            },
        };
    },
});
function withField(record, name, text) {
    const { value, valueSchema } = record;
    const isMap = typeof value === 'object' && (Object.getPrototypeOf(value) === Object.prototype || value instanceof Map);
    if (!isMap || (valueSchema !== null && valueSchema.type !== 'STRUCT'))
        throw new DataError('expected a map or a struct', { field: name });
    if (value instanceof Map)
        return { ...record, value: new Map([...value, [name, text]]) };
    if (valueSchema === null)
        return { ...record, value: { ...value, [name]: text } };
    const field = valueSchema.field(name);
    if (field !== undefined && field.schema.type !== 'STRING')
        throw new DataError(`field ${name} is no text`, { field: name });
    const schema = field === undefined ? valueSchema.withField(name, Schema.string.asOptional()) : valueSchema;
    return { ...record, value: { ...value, [name]: text }, valueSchema: schema };
}
/** Sets a field of maps and structs. */
export const setField = transform({
    ...info('SetField'),
    config: { field: key.string('field').required().nonEmpty(), value: key.string('value').default('set'), do: doKey },
    create(config) {
        const actions = configured(config);
        return {
            apply(record) {
                actions.run('apply');
                return record.value === null ? record : withField(record, config.field, config.value);
            },
        };
    },
});
/** Makes a record of each word. */
export const split = transform({
    ...info('Split'),
    config: { do: doKey },
    create(config) {
        const actions = configured(config);
        return {
            apply(record) {
                actions.run('apply');
                if (typeof record.value !== 'string')
                    return record;
                const words = record.value.split(' ').filter((word) => word !== '');
                return words.map((value) => ({ ...record, value }));
            },
        };
    },
});
/** Does with a record what its value says. */
export const odd = transform({
    ...info('Odd'),
    config: { do: doKey },
    create(config) {
        const actions = configured(config);
        return {
            apply(record) {
                actions.run('apply');
                const { value } = record;
                if (value === 'drop')
                    return null;
                if (value === 'own')
                    throw own();
                if (value === 'panic')
                    panicOnPurpose();
                if (value === 'bad')
                    record.valueSchema = Schema.int32;
                if (typeof value === 'string' && value.startsWith('fail '))
                    throw failure(value.slice(5), 'record');
                return record;
            },
        };
    },
});
/** Numbers records. */
export const count = transform({
    ...info('Count'),
    config: { do: doKey },
    create(config) {
        const actions = configured(config);
        let next = 0;
        return {
            apply(record) {
                actions.run('apply');
                record.headers.push({ key: 'count', value: next++, schema: Schema.int64 });
                return record;
            },
        };
    },
});
/** Holds for values that contain a text. */
export const hasText = predicate({
    class: 'org.millstream.kit.HasText',
    version: '1.0.0',
    doc: 'Kit predicate.',
    config: { text: key.string('text').required().nonEmpty(), do: doKey },
    create(config) {
        const actions = configured(config);
        return {
            test({ value }) {
                actions.run('test');
                if (value === 'fail data')
                    throw failure('data', 'record');
                return typeof value === 'string' && value.includes(config.text);
            },
        };
    },
});
