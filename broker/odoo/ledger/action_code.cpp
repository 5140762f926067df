#include "broker/odoo/ledger/action_code.hpp"

namespace millrace::broker::odoo {
namespace {

// Odoo runs this in its sandbox: no with, no getattr, no names with two underscores, no closures.
constexpr const char* code_head =
    R"py(# Millrace ledger, version 2. Written by "millrace odoo install", which overwrites changes.
# For each event: look for the markers, do the calls, check the state, write the markers, all or
# nothing.
MODULE = 'millrace_ledger'
CONFLICTS = ['SerializationFailure', 'DeadlockDetected', 'LockNotAvailable', 'InterfaceError',
             'TransactionRollbackError', 'InFailedSqlTransaction', 'OperationalError',
             'AdminShutdown']


)py";

constexpr const char* code_tail = R"py(

def fill(value, ids):
    if isinstance(value, dict):
        if 'millrace_step' in value:
            return ids[value['millrace_step']]
        filled = {}
        for key in value:
            filled[key] = fill(value[key], ids)
        return filled
    if isinstance(value, (list, tuple)):
        filled = []
        for one in value:
            filled.append(fill(one, ids))
        return filled
    return value


def check(records, step):
    expect = step.get('expect') or {}
    for field in expect:
        found = records.read([field])[0][field]
        # A relation is read as its id and its name.
        values = list(found) if isinstance(found, tuple) else [found]
        known = False
        for value in values:
            known = known or value in expect[field]
        if not known:
            raise UserError('MillraceUnexpected: %s.%s has not done what is expected: %s is %s; it '
                            'may have asked with a wizard'
                            % (step['model'], step['method'], field, found))


def apply(steps):
    ids = {}
    for step in steps:
        records = env[step['model']].with_context(**fill(step.get('context') or {}, ids))
        if step['method'] == 'create':
            records = records.create(fill(step['values'], ids))
        else:
            records = records.browse(fill(step['id'], ids))
            if step['method'] == 'write':
                records.write(fill(step['values'], ids))
            else:
                run_method(records, step['model'] + '.' + step['method'],
                           fill(step.get('arguments') or {}, ids))
        check(records, step)
        env['ir.model.data'].sudo().create({
            'module': MODULE, 'name': step['marker'], 'model': step['model'],
            'res_id': records.id, 'noupdate': True})
        ids[step['name']] = records.id
    return ids


def find_ids(steps):
    names = []
    for step in steps:
        names.append(step['marker'])
    ids = {}
    domain = [('module', '=', MODULE), ('name', 'in', names)]
    for marker in env['ir.model.data'].sudo().search(domain):
        for step in steps:
            if step['marker'] == marker.name:
                ids[step['name']] = marker.res_id
    return ids


def apply_once(steps):
    ids = find_ids(steps)
    if ids:
        return {'status': 'duplicate', 'ids': ids}
    savepoint = env.cr.savepoint()
    try:
        ids = apply(steps)
        savepoint.close(rollback=False)
        return {'status': 'ok', 'ids': ids}
    except Exception as error:
        name = repr(error).split('(')[0]
        if name in CONFLICTS:
            raise
        savepoint.close(rollback=True)
        text = str(error)
        for own in ['MillraceUnexpected', 'MillraceUnknownMethod']:
            if text.startswith(own + ': '):
                return {'status': 'error', 'class': own, 'message': text[len(own) + 2:]}
        return {'status': 'error', 'class': name, 'message': text[:2000]}


def forget(before, prefix):
    # Those of this feed alone; without a feed those that begin like no feed's.
    like = ('name', '=like', (prefix or '_f').replace('_', '\\_') + '%')
    domain = [('module', '=', MODULE), ('name', '!=', 'action'), ('create_date', '<', before)]
    domain += [like] if prefix else ['!', like]
    markers = env['ir.model.data'].sudo().search(domain, limit=1000)
    count = len(markers)
    markers.unlink()
    return count


action = {'type': 'ir.actions.act_window_close'}
if env.context.get('millrace_forget_before'):
    action['forgotten'] = forget(
        env.context['millrace_forget_before'], env.context.get('millrace_forget_prefix'))
else:
    action['millrace'] = []
    for event in env.context.get('millrace_events') or []:
        action['millrace'].append(apply_once(event['steps']))
)py";

void add_methods_of(const Rule& rule, LedgerMethods& methods) {
    for (const auto& step : rule.steps) {
        if (step.proof == Proof::ledger && step.action == Action::call) {
            methods.insert(step.model + "." + step.method);
        }
    }
}

}  // namespace

void add_ledger_methods(const Mapping& mapping, LedgerMethods& methods) {
    for (const auto& rule : mapping.rules()) {
        add_methods_of(rule, methods);
    }
}

std::string action_code(const LedgerMethods& methods) {
    std::string code = code_head;
    code += "def run_method(records, name, arguments):\n";
    for (const auto& name : methods) {
        const auto method = name.substr(name.rfind('.') + 1);
        code.append("    if name == '").append(name).append("':\n");
        code.append("        return records.").append(method).append("(**arguments)\n");
    }
    code += "    raise UserError('MillraceUnknownMethod: %s' % name)\n";
    return code + code_tail;
}

}  // namespace millrace::broker::odoo
