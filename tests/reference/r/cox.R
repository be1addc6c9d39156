# Time to an event: coxph, cox.zph, concordance, survfit, survdiff; the penalised path of glmnet.
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages({
  library(survival)
  library(glmnet)
})
d <- table_of("survival")
exact <- coxph.control(eps = 1e-11, iter.max = 100)
fit <- function(formula) coxph(formula, d, ties = "efron", control = exact, x = TRUE)
whole <- fit(Surv(time, event) ~ age + male + vbmd + rad_score)
s <- summary(whole)
put("coefficients", coef(whole))
put("covariance", vcov(whole))
put("log_likelihood", whole$loglik)
put("likelihood_ratio", s$logtest)
put("wald", whole$wald.test)
put("score_test", s$sctest)
put("hazard_ratios", s$conf.int[, c(1, 3, 4)])
# survival leaves columns of 0 and 1 as they are when it centres: everything at all means here.
zero <- predict(whole, type = "lp", reference = "zero")
put("linear_predictor", zero - mean(zero))

base <- basehaz(whole, centered = FALSE)
at <- sort(unique(d$time[d$event == 1]))
put("event_times", at)
put("cumulative_hazard", base$hazard[match(at, base$time)] * exp(mean(zero)))
for (horizon in c(2, 5)) {
  curves <- summary(survfit(whole, newdata = d[1:5, ]), times = horizon)
  put(paste0("risk_", horizon), 1 - curves$surv)
}
put("zph", cox.zph(whole, transform = "km")$table)

small <- fit(Surv(time, event) ~ age + male)
nested <- anova(small, whole)
put("nested", c(nested$Chisq[2], nested$Df[2], nested[["Pr(>|Chi|)"]][2]))

for (name in c("rad_score", "visual_score")) {
  found <- concordance(Surv(d$time, d$event) ~ d[[name]], reverse = TRUE)
  put(paste0("concordance_", name), c(found$concordance, sqrt(found$var)))
}

# Two groups by the median of the score.
d$high <- as.integer(d$rad_score > median(d$rad_score))
for (group in 0:1) {
  km <- survfit(Surv(time, event) ~ 1, d[d$high == group, ], conf.type = "log-log")
  put(paste0("km_", group), cbind(km$time, km$n.risk, km$n.event, km$n.censor, km$surv))
  limits <- summary(km, times = c(1, 2, 4))
  put(paste0("km_limits_", group), cbind(limits$lower, limits$upper))
}
ranks <- survdiff(Surv(time, event) ~ high, d)
put("log_rank", c(ranks$chisq, pchisq(ranks$chisq, 1, lower.tail = FALSE)))
thirds <- survdiff(Surv(time, event) ~ cut(rad_score, c(-Inf, -0.4, 0.5, Inf)), d)
put("log_rank_thirds", c(thirds$chisq, pchisq(thirds$chisq, 2, lower.tail = FALSE)))
# Score test of each column alone, and of its ranks: what features are filtered by.
alone <- function(x) summary(coxph(Surv(d$time, d$event) ~ x, ties = "breslow"))$sctest[c(1, 3)]
put("score_alone", sapply(d[c("age", "vbmd", "visual_score")], alone))
put("score_ranks", sapply(lapply(d[c("age", "vbmd", "visual_score")], rank), alone))

x <- as.matrix(d[, grep("^f[0-9]", names(d))])
y <- Surv(d$time, d$event)
for (alpha in c(1, 0.5)) {
  name <- function(what) paste0(what, "_", alpha)
  path <- glmnet(x, y, family = "cox", alpha = alpha, thresh = 1e-16, maxit = 1e7)
  put(name("lambda_max"), path$lambda[1])
  at <- path$lambda[1] * c(0.8, 0.5, 0.3, 0.15, 0.08, 0.05)
  given <- glmnet(x, y, family = "cox", alpha = alpha, lambda = at, thresh = 1e-16, maxit = 1e7)
  put(name("six_penalties"), at)
  put(name("six_coefficients"), as.matrix(coef(given)))
  put(name("six_ratios"), given$dev.ratio)
  lambdas <- path$lambda[1] * 10^seq(0, -1.5, length.out = 25)
  cv <- cv.glmnet(x, y, family = "cox", alpha = alpha, lambda = lambdas, foldid = d$fold,
                  type.measure = "deviance", thresh = 1e-16, maxit = 1e7)
  put(name("lambdas"), lambdas)
  put(name("deviance"), cv$cvm)
  put(name("deviance_se"), cv$cvsd)
  put(name("lambda_min"), cv$lambda.min)
  put(name("lambda_1se"), cv$lambda.1se)
}
finish(c("survival", "glmnet"))
