#include "broker/gateways/http/hooks/hook_routes.hpp"

#include <algorithm>

#include "broker/gateways/http/hooks/hook_intake.hpp"
#include "broker/gateways/http/records/publish_routes.hpp"

namespace millrace::broker::http {
namespace {

constexpr unsigned unauthorized = 401;

class Intake {
  public:
    Intake(const HookFile& file, Publisher& publisher, MetricsRegistry& metrics)
        : file_(file), publisher_(publisher), metrics_(metrics) {}

    void post(const Call& call) const {
        const auto found = file_.hooks.find(call.path_param("hook"));
        if (found == file_.hooks.end()) {
            call.refuse(fail(Errc::not_found,
                             "there is no hook \"" + call.path_param("hook") +
                                 "\" in the file that hooks_file names"));
            return;
        }
        const auto& hook = found->second;
        if (!is_admitted(hook.check, *call.request)) {
            count(hook, "not_admitted");
            call.respond(
                problem(unauthorized,
                        fail(Errc::invalid_argument,
                             (hook.check.query.empty() ? "the header \"" + hook.check.header
                                                       : "the parameter \"" + hook.check.query) +
                                 "\" does not prove who posts")));
            return;
        }
        auto record = record_of_hook(hook, *call.request, call.target);
        if (!record) {
            count(hook, "failed");
            call.refuse(record.error());
        } else if (!record.value()) {
            count(hook, "not_wanted");
            call.answer({{"published", 0}, {"failed", 0}, {"records", Json::array()}});
        } else {
            publish(hook, std::move(*record.value()), call.respond);
        }
    }

    void list(const Call& call) const {
        Json hooks = Json::array();
        for (const auto& [name, hook] : file_.hooks) {
            const auto kind = hook.check.kind;
            hooks.push_back({{"name", name},
                             {"check",
                              kind == HookCheck::Kind::signature ? "signature"
                              : kind == HookCheck::Kind::token   ? "token"
                                                                 : "open"}});
        }
        Json targets = Json::array();
        for (const auto& target : file_.targets) {
            // Behind the question mark stands what many use as a password.
            const auto path = target.path.substr(0, target.path.find('?'));
            targets.push_back(
                {{"subscription", target.subscription},
                 {"url", (target.peer.trust ? "https://" : "http://") + target.peer.place() + path},
                 {"signed", !target.secrets.empty()}});
        }
        call.answer({{"hooks", std::move(hooks)}, {"targets", std::move(targets)}});
    }

  private:
    void publish(const Hook& hook, HookRecord made, const Respond& respond) const {
        ParsedRecords records;
        records.push_back(std::move(made.record));
        publisher_.publish(
            made.topic,
            std::move(records),
            [self = *this, &hook, respond](const std::vector<RecordOutcome>& outcomes) {
                self.count(hook,
                           outcomes.front().error          ? "failed"
                           : outcomes.front().is_duplicate ? "repeated"
                                                           : "published");
                respond(answer_of(outcomes));
            });
    }
    void count(const Hook& hook, const char* outcome) const {
        metrics_
            .counter("millrace_http_hook_posts_total",
                     "Posts to hooks, by what became of them.",
                     {{"hook", hook.name}, {"outcome", outcome}})
            .add();
    }

    const HookFile& file_;
    Publisher& publisher_;
    MetricsRegistry& metrics_;
};

}  // namespace

Routes hook_routes(const HookFile& file, Publisher& publisher, MetricsRegistry& metrics) {
    const Intake intake(file, publisher, metrics);
    return {{.pattern = "/v1/hooks",
             .summary = "Hooks and webhook targets of the file that hooks_file names.",
             .handle = [intake](const Call& call) { intake.list(call); }},
            {.method = Method::post,
             .pattern = "/v1/hooks/{hook}",
             .summary = "Takes what a system posts; the answer comes when it is durable.",
             .handle = [intake](const Call& call) { intake.post(call); },
             .body = {.need = BodyNeed::optional, .help = "Whatever the system sends."},
             .takes_any_query = true}};
}

}  // namespace millrace::broker::http
