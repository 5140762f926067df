#include <algorithm>

#include "client/cli/app/options.hpp"
#include "client/cli/app/progress.hpp"
#include "client/cli/app/record_printer.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {
namespace {

constexpr std::chrono::milliseconds poll_wait{200};
constexpr std::uint32_t credit_max = 256;

struct ConsumeOptions {
    std::string name;
    std::vector<std::string> topics;
    Order order = Order::by_key;
    std::optional<std::uint64_t> count;
    std::string format;
    std::string idle = "2s";
    std::optional<Cause> nack;
    std::string error;
    std::string delay;
    bool peek = false;
    bool follow = false;
};

SubscribeOptions subscribe_options_of(const ConsumeOptions& options) {
    SubscribeOptions out;
    out.topics = options.topics;
    out.order = options.order;
    out.credit = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(options.count.value_or(credit_max), credit_max));
    out.consumer = "millrace-cli";
    return out;
}

NackOptions nack_options_of(const ConsumeOptions& options) {
    NackOptions out;
    out.cause = options.nack.value_or(Cause::transient);
    out.error = options.error;
    if (!options.delay.empty()) {
        out.delay = std::chrono::duration_cast<std::chrono::milliseconds>(
            require_duration(options.delay, "--delay"));
    }
    return out;
}

/// Prints first and settles then: whoever reads stdout has a record before it counts as done.
class QueueReader {
  public:
    QueueReader(Session& session, const ConsumeOptions& options)
        : session_(session),
          options_(options),
          idle_(require_duration(options.idle, "--idle")),
          nack_(nack_options_of(options)),
          printer_(session, options.format, RecordFormat::Of::queue),
          subscription_(session.client().subscribe(options.name, subscribe_options_of(options))),
          progress_(session, "consumed"),
          last_(std::chrono::steady_clock::now()) {}

    ExitCode run() {
        while (!is_stop_requested() && !has_enough() && !is_idle()) {
            auto deliveries = subscription_.poll(poll_wait);
            if (!deliveries.empty()) {
                take(deliveries);
            }
        }
        if (printer_.count() == 0 && is_idle()) {
            say_why();
        }
        if (stale_ == 0) {
            return ExitCode::ok;
        }
        session_.warn(format_count(stale_) + " came too late to be settled and will come again");
        return ExitCode::partly;
    }

  private:
    [[nodiscard]] bool has_enough() const {
        return options_.count && printer_.count() >= *options_.count;
    }
    [[nodiscard]] bool is_idle() const {
        return !options_.follow && !options_.count &&
               std::chrono::steady_clock::now() - last_ > idle_;
    }
    /// While it still consumes: "no consumer" would be no answer.
    void say_why() {
        const std::string reason = session_.admin().describe_subscription(options_.name).reason;
        session_.note("nothing came" + (reason.empty() ? "" : ": " + reason));
    }
    void take(std::vector<Delivery>& deliveries) {
        last_ = std::chrono::steady_clock::now();
        std::size_t taken = 0;
        for (; taken < deliveries.size() && !has_enough(); ++taken) {
            printer_.print(deliveries[taken].record(), deliveries[taken].attempt());
        }
        printer_.flush();
        for (std::size_t i = 0; i < taken && !options_.peek; ++i) {
            if (options_.nack) {
                deliveries[i].nack(nack_);
            } else {
                deliveries[i].ack();
            }
        }
        stale_ += options_.peek ? 0 : subscription_.flush();
        progress_.update({.count = printer_.count()});
    }

    Session& session_;
    const ConsumeOptions& options_;
    std::chrono::microseconds idle_;
    NackOptions nack_;
    RecordPrinter printer_;
    Subscription subscription_;
    Progress progress_;
    std::chrono::steady_clock::time_point last_;
    std::uint64_t stale_ = 0;
};

ExitCode consume_subscription(Session& session, const ConsumeOptions& options) {
    watch_stop_signals();
    return QueueReader(session, options).run();
}

void add_options(CLI::App& app, ConsumeOptions& options) {
    app.add_option("NAME", options.name, "The subscription")->required();
    add_topics(app, options.topics, "Create it over these when it does not exist");
    add_choice(app, "--order", options.order, choice(order_names, "The order when it is created"));
    app.add_option("-n,--count", options.count, "End after so many, waiting for them")
        ->check(positive_number())
        ->type_name("N");
    app.add_flag("-F,--follow", options.follow, "Go on with what will come");
    app.add_option(
           "--idle", options.idle, "Without --follow and --count end after so long without any")
        ->type_name("TIME")
        ->capture_default_str();
    app.add_option("--format", options.format, "value, json, or a template")->type_name("FORMAT");
    auto* nack = add_choice(app,
                            "--nack",
                            options.nack,
                            choice(cause_names, "Refuse with this cause instead of acknowledging"));
    app.add_option("--error", options.error, "What went wrong, with --nack")->needs(nack);
    app.add_option("--delay", options.delay, "Come again after, with --nack")
        ->needs(nack)
        ->type_name("TIME");
    app.add_flag("--peek", options.peek, "Settle nothing: all of it comes again")->excludes(nack);
}

}  // namespace

void add_subscription_consume_command(Registry& registry) {
    auto options = std::make_shared<ConsumeOptions>();
    CLI::App& command =
        add_command(registry,
                    {"consume",
                     "Print records and acknowledge them",
                     "millrace subscription consume audit --follow --output json\n"
                     "millrace subscription consume audit --topic 'plant1.>' --count 10\n"
                     "millrace subscription consume audit --format '{attempt} {key}: {value}'\n"
                     "millrace subscription consume odoo-mrp --count 1 --nack mapping --error 'no "
                     "product CH-9'"},
                    options,
                    consume_subscription);
    add_options(command, *options);
}

}  // namespace millrace::cli
