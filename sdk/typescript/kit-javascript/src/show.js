/** Values as texts, as the kit's specification shows them. Numbers say their types where no schema does. */
import { Decimal, Struct, Typed, valueText } from 'millstream';
export function show(value, schema = null) {
    if (value === null || value === undefined)
        return 'null';
    if (typeof value === 'string')
        return showText(value);
    if (value instanceof Uint8Array)
        return `0x${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
    if (value instanceof Decimal)
        return `dec(${value})`;
    if (value instanceof Date)
        return `at(${value.getTime()})`;
    if (value instanceof Typed && value.type === 'INSTANT')
        return `at(${value.value})`;
    if (typeof value !== 'object' || value instanceof Typed)
        return valueText(value, schema);
    if (Array.isArray(value))
        return `[${value.map((item) => show(item, schema?.valueSchema)).join(', ')}]`;
    const own = value instanceof Struct ? Struct.schemaOf(value) : schema;
    if (own?.type === 'STRUCT') {
        const fields = own.fields.map((field) => `${field.name}=${show(value[field.name], field.schema)}`);
        return `${own.name ?? 'struct'}{${fields.join(', ')}}`;
    }
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    return `{${entries.map(([name, item]) => `${show(name, schema?.keySchema)}: ${show(item, schema?.valueSchema)}`).join(', ')}}`;
}
/** A text in quotes. */
export function showText(text) {
    return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}
