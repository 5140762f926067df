// A source file, what a webhook posts, the file of cursors, and a row of Odoo: read without trust.
#include <string>

#include "tests/fuzz/fuzz_check.hpp"

#include "broker/odoo/source/content.hpp"
#include "broker/odoo/source/source_file.hpp"
#include "broker/odoo/source/sweep.hpp"

namespace millrace::broker::odoo {
namespace {

using fuzz::check;

const SourceFile& orders() {
    static const auto file = parse_source_file("s.yaml", R"(models:
  - model: sale.order
    fields: [name, state]
    only_if: .record.state != "draft"
    topic: '"odoo." + .record.state'
    key: .record.name
    deleted: {when: '.hint._action | startswith("gone")', topic: '"odoo.gone"'}
)");
    return file.value();
}

void parse_file(const std::string& text) {
    const auto file = parse_source_file("s.yaml", text);
    if (file.has_error()) {
        check(file.error().code == Errc::configuration, "a bad file is a bad configuration");
        check(file.error().text.starts_with("s.yaml"), "an error names the file");
        return;
    }
    check(!file.value().models.empty(), "a good file has models");
    check(file.value().sweep.page_records > 0, "a page has room");
    for (const auto& model : file.value().models) {
        check(!model.fields.empty() && model.domain.is_array(), "a model has fields");
    }
}

void parse_outside(const std::string& text) {
    const auto& model = orders().models.front();
    if (const auto hint = parse_hint(text); hint.has_value()) {
        check(hint.value().id > 0 && !hint.value().model.empty(), "a hint names a record");
        check(whole_seconds(hint.value().write_date) == hint.value().write_date, "a moment");
        const auto deletion = announces_deletion(model, hint.value());
        check(deletion.has_value() || !deletion.error().text.empty(), "an answer");
    }
    if (const auto cursors = parse_cursors(text); cursors.has_value()) {
        const auto again = parse_cursors(format_cursors(cursors.value()));
        check(again.has_value() && again.value() == cursors.value(), "cursors stay as they are");
    }
    const auto content = content_of(model, Json::parse(text, nullptr, false));
    if (!content.has_value()) {
        return;
    }
    const auto event = event_of(model, content.value());
    if (event.has_value() && event.value()) {
        check(!event.value()->topic.empty() && Json::accept(event.value()->value), "an event");
    }
}

}  // namespace
}  // namespace millrace::broker::odoo

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = millrace::fuzz::bytes_of(data, size);
    const std::string text(reinterpret_cast<const char*>(input.data()), input.size());
    millrace::broker::odoo::parse_file(text);
    millrace::broker::odoo::parse_outside(text);
    return 0;
}
