#include <ostream>

#include "broker/odoo/mapping/mapping.hpp"
#include "client/cli/odoo/odoo_commands.hpp"
#include "client/cli/odoo/odoo_target.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

struct CheckOptions {
    std::vector<std::string> files;
};

std::string topics_of(const odoo::Rule& rule) {
    std::string text;
    for (const auto& topic : rule.topics) {
        text += (text.empty() ? "" : ", ") + topic;
    }
    return text;
}

std::string proof_of(const odoo::Step& step) {
    if (step.action == odoo::Action::lookup) {
        return "reads";
    }
    if (step.proof == odoo::Proof::ledger) {
        return "marker in the ledger";
    }
    return step.action == odoo::Action::upsert ? "external id"
           : !step.expect.empty()              ? "state " + step.expect.dump()
                                               : "repeats do no harm";
}

nlohmann::ordered_json to_json(const odoo::Rule& rule) {
    auto steps = nlohmann::ordered_json::array();
    for (const auto& step : rule.steps) {
        steps.push_back({{"name", step.name},
                         {"place", step.place},
                         {"action", odoo::name_of(step.action)},
                         {"model", step.model},
                         {"method", step.method},
                         {"proof", proof_of(step)}});
    }
    return {{"place", rule.place},
            {"topics", rule.topics},
            {"has_lane", rule.lane.has_value()},
            {"steps", std::move(steps)}};
}

void print_table(Session& session, const odoo::Mapping& mapping) {
    Table table({{"PLACE"}, {"TOPICS"}, {"STEP"}, {"DOES"}, {"A REPEAT IS KNOWN BY"}});
    for (const auto& rule : mapping.rules()) {
        auto topics = topics_of(rule);
        for (const auto& step : rule.steps) {
            const auto does =
                step.model + " " +
                (step.method.empty() ? std::string(odoo::name_of(step.action)) : step.method);
            table.append({step.place, topics, step.name, does, proof_of(step)});
            topics.clear();
        }
    }
    table.print(session.out());
}

ExitCode check(Session& session, const CheckOptions& options) {
    auto documents = nlohmann::ordered_json::array();
    for (const auto& file : options.files) {
        const auto mapping = require_mapping(file);
        if (!session.is_json()) {
            print_table(session, mapping);
            session.out() << file << " is good"
                          << (mapping.has_ledger() ? "; it needs the ledger: millrace odoo install"
                                                   : "")
                          << '\n';
            continue;
        }
        auto rules = nlohmann::ordered_json::array();
        for (const auto& rule : mapping.rules()) {
            rules.push_back(to_json(rule));
        }
        documents.push_back(
            {{"file", file}, {"needs_ledger", mapping.has_ledger()}, {"rules", std::move(rules)}});
    }
    if (session.is_json()) {
        print_json(session, documents);
    }
    return ExitCode::ok;
}

}  // namespace

void add_odoo_check(Registry& registry) {
    auto options = std::make_shared<CheckOptions>();
    CLI::App& command =
        add_command(registry,
                    {"check",
                     "Say whether mapping files are good, and how each step tells a "
                     "repeat from a first time",
                     "millrace odoo check odoo-mrp.yaml"},
                    options,
                    check);
    command.add_option("FILE", options->files, "Mapping files")->required();
}

}  // namespace millrace::cli
