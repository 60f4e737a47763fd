//! Chinese prose: every entry of a list has two characters, so that a sentence's Han characters are known before it is
//! filled. Counted are characters of U+4E00..=U+9FFF, as the paper does; punctuation does not count.

use super::dice::Dice;
use super::pattern::{Lists, Pattern, Sentences};
use super::prompt::is_han;

const NOUNS: &str = "院子 灯笼 账本 书信 花园 果园 市集 罗盘 水壶 日记 石桥 窗户 火炉 渡船 祠堂 镜子 汽笛 铁砧 木桶 蜡烛 丝带 织机 面包 时钟 地图
    高塔 磨坊 水泵 马车 船帆 船舵 铁锚 地窖 阁楼 梯子 竹篮 毛毯 铁锤 马鞍 铜铃 大鼓 胡琴 喷泉 楼梯 工坊 书库 档案 教室 温室 厨房 港湾 灯塔 仓库 染坊
    酒馆 戏台 帷幕 画像 画布 雕塑 契约 铁路 隧道 信号 站台 车厢 电车 运河 水闸 水库 渡槽 古井 风车 电缆 电台 天线 胶片 菜谱 菜单 长凳 木门 篱笆 草场
    谷仓 马厩 蜂箱 池塘 溪流 冰川 山脊 峡谷 高原 森林 竹林 沼泽 沙丘 暗礁 潮水 暴雨 霜雪 月食 彗星 化石 矿石 水晶 盐田 铜器 木料 棉布 丝绸 宣纸 墨锭
    漆器 陶土 青砖 瓦片 茅草 茶叶 稻谷 麦田 药材 族谱 石碑 碑文 棋盘 纸鸢 铜钱 算盘 砚台 屏风 瓷瓶 香炉 斗笠 蓑衣 扁担 船桨 渔网 鱼篓 锄头 犁铧";
const PEOPLE: &str = "农夫 水手 织工 先生 书吏 厨子 石匠 木匠 学徒 园丁 车夫 匠人 画师 乐师 读者 学者 旅人 商贩 邻居 孩童 老人 客人 牧人 渔民 裁缝 护士
    医者 矿工 猎户 陶工 脚夫 信差 更夫 士兵 移民 香客 歌者 舞者 伶人 编修 船工 桨手 向导 掌柜 佃户 铁匠 锁匠 鞋匠 补匠 茶农 蚕农 药师 镖师 书生 船家";
const ADJECTIVES: &str = "安静 狭窄 明亮 沉重 古老 谨慎 遥远 朴素 倔强 温和 弯曲 银白 破旧 隐秘 冰冷 金黄 苍白 拥挤 空旷 熟悉 陌生 脆弱 慷慨 诚实 谦逊
    清闲 欢快 热闹 孤单 忠诚 泥泞 喧闹 奇特 平整 光滑 骄傲 急促 稀有 粗糙 锈蚀 神圣 浅淡 锐利 寂静 简单 纤细 庄重 平稳 陡峭 严厉 坚固 迅疾 高大 温顺
    厚实 单薄 整洁 疲惫 坚韧 笔直 辽阔 温暖 潮湿 荒凉 多风 曲折 聪慧 年轻 褪色 深红 晚秋 沿海 内陆 北方 南方 东边 西边 清晨 冬日 夏日 借来 未完 崭新";
const VERBS: &str = "修补 描绘 清点 丈量 守护 追随 打开 关闭 举起 收集 观察 交换 打磨 勾勒 记录 询问 回应 研究 捍卫 修复 拜访 穿过 记住 发现 查看 描述
    校正 抄写 递送 借用 归还 献出 接受 拒绝 检验 整理 平衡 捆扎 追赶 清扫 攀登 覆盖 装饰 分开 拖动 清空 护送 探索 固定 填满 折叠 迎接 敲打 搬运 收割
    加热 敬重 想象 模仿 改良 继承 发明 连接 标记 装载 松开 绘制 缝补 混合 挪动 留意 预订 安排 种植 称赞 准备 保存 保护 牵引 推动 抬高 抵达 重建 收回
    冲洗 寻找 封存 招待 塑造 分享 遮蔽 签署 挑选 堆放 驾驶 储藏 支撑 环绕 试验 系紧 描摹 训练 改变 信任 拆开 温热 清洗 称量 包裹";
const ACTS: &str = "等待 颤动 停歇 移动 飘荡 安顿 到来 消失 徘徊 归来 游走 迟疑 倾听 劳作 休息 远行 发光 回响 作响 摇晃 兴旺 繁荣 挣扎 聚拢 散去 下沉
    上升 盘旋 前行 后退 低鸣 闪烁 变暗 变亮 冷却 变厚 变软 成熟 枯萎 复原 跌倒 前进 起舞 低语 争论 苏醒 沉睡 歌唱 生长 漂流";
const ADVERBS: &str = "缓缓 悄悄 细细 欣然 常常 静静 大胆 匆匆 紧紧 冷冷 深深 急急 轻易 均匀 稳稳 自在 轻轻 郑重 愉快 重重 诚恳 谦和 热切 亲切 高声 忠实
    勉强 整齐 坦然 耐心 平静 礼貌 准时 自豪 迅速 偶尔 粗略 忧伤 安然 暗暗 默默 熟练 柔和 肃然 持续 严肃 忽然 敏捷 温柔 彻底 温暖 疲倦 明智 反复 渐渐";
const NAMES: &str = "林晚 周禾 沈砚 顾川 许棠 陆鸣 苏枕 程野 叶澜 宋岚 韩舟 梁夏 何溪 唐果 秦桑 方遥 罗衣 温言 白芷 江蓠 姜离 孟知 夏禹 石坚";
const PLACES: &str = "海港 广场 庭院 村庄 山谷 市场 车站 学堂 寺院 河岸 山坡 小岛 半岛 都城 省城 县城 城郊 街区 走廊 小巷 大道 路口 桥头 渡口 码头 船坞 农舍
    茶园 果林 草原 林地 荒野 高地 洼地 三角 海岸 海湾 岬角 湖边 泉边 瀑布 沙漠 绿洲 雪原 展馆 画廊 书院 医馆 道观 古堡 宫殿 兵营 茅屋 庄园 客栈 酒肆";
const TIMES: &str = "清早 傍晚 寒冬 盛夏 深秋 初春 那年 那月 那夜 午后 节日 旅途 课后 饥年 丰年 集日 葬礼 婚宴 庆典 远征 雨季 旱季 黎明 黄昏 正午 子夜";
const THINGS: &str = "耐心 勇气 哀愁 笑声 好奇 骄傲 希望 疑虑 善意 沉默 猜疑 感激 惊奇 决心 怜悯 抱负 谨慎 坦率 忧伤 喜悦 羡慕 信念 倦意 宽容 渴望 幽默
    智慧 正义 闲情 忠诚 谦逊 乡愁 坚持 审慎 慰藉 敬意 真诚 技艺 孤独 固执 同情 分寸 脾气 节俭 紧迫 活力 温情 忧虑 热忱 缘分";

const PATTERNS: &[&str] = &[
    "静。",
    "$g。",
    "$n静。",
    "$p$i。",
    "$n很$a。",
    "$p$v$n。",
    "$a的$n$i。",
    "$p$d$v$n了。",
    "$a$l，$n$i。",
    "$l的$n$d$i。",
    "$p在$l里$d$v着$n。",
    "$s的$n$i，$p$d$v$n。",
    "$s$v$n，$p$v$n，$l$d$i。",
    "$t，$a的$s在$l$v$n，$p则$d$v$a的$n。",
    "$t，$a的$s在$l$v$n，$p则$d$v着$a的$n。",
    "$p$v着$l的$n，$s$v着$a的$n，$t的$g也$d$i。",
    "$p$v了$a的$n。",
    "$t，$l的$n$d$i。",
    "$t，$p$v了$l的$n。",
    "$p与$s$d$v$a的$n。",
    "$a的$n$i，$p$v着$n。",
    "$s$v了$n，$l里$g渐起。",
    "$p$v$n，$s$v$n，$t$i。",
    "$l的$s$d$v着$n，$p却$i。",
    "$t过后，$a的$s$d$v着$n与$n。",
    "在$a的$l里，$s$v了$n，$n$d$i。",
    "$p带着$g$v$n，$a的$s$d$v$n。",
    "$s在$l$v$n，$p也$d$v着$a的$n。",
    "$n$i的时候，$p$d$v了$l的$a$n。",
    "因为$n$i，$l的$s只得$v$n，$d$v$n。",
    "$a的$n$i，$a的$n$i，$p$d$v着$n。",
    "从$l到$l，$s$d$v着$n，$p$v着$a的$n。",
    "$p说，$l的$n若是$i，$s便会$v$n，$v$n。",
    "$t里，$l的$s$v了$n，而$p$d$v$a的$n与$n。",
    "$p$v了$n，$s$v了$n，$a的$l于是$d$i，$g犹在。",
    "虽然$l的$n$d$i，$a的$s仍旧$v着$n，$p$d$v$n。",
    "$n与$n在$t$i，$s的$g$d$i，$p$v了$l的$a$n。",
    "没有$s见过$l的$n如此$i，$p$d$v着$n，$g与$g交织。",
];

const POINTS: &[&str] = &[
    "$p如何在$l$v$a的$n，$s又怎样$d$v$n",
    "$t里$a的$s$v$n的经过，以及$p的$g从何而来",
    "$a的$l为何$i，从$s与$n的往事说起",
    "$p$d$v的$n，以及它带给$s的$g",
    "$l的$n与$n，$t的$g与$g",
    "$n$i之后，$p与$s在$l$v$n的始末",
];

/// Shortest sentence in running text, in characters.
const SHORTEST: u32 = 7;

/// The Chinese author.
#[derive(Debug)]
pub(crate) struct Chinese {
    lists: Lists,
    sentences: Sentences,
    points: Vec<Pattern>,
}

/// Han characters of a pattern whose slots stand for two each.
fn count(source: &str) -> u32 {
    source.chars().map(|char| if char == '$' { 2 } else { u32::from(is_han(char)) }).sum()
}

impl Chinese {
    pub(crate) fn new() -> Self {
        let lists = Lists::new(&[
            (b'n', NOUNS),
            (b's', PEOPLE),
            (b'a', ADJECTIVES),
            (b'v', VERBS),
            (b'i', ACTS),
            (b'd', ADVERBS),
            (b'p', NAMES),
            (b'l', PLACES),
            (b't', TIMES),
            (b'g', THINGS),
        ]);
        let compile = |source: &&'static str| Pattern::compile(source, &lists, count);
        let sentences = Sentences::new(PATTERNS.iter().map(compile).collect(), SHORTEST);
        let points = POINTS.iter().map(compile).collect();
        Self { lists, sentences, points }
    }

    /// Exactly `characters` Han characters in paragraphs of 120 to 220; the people come from `cast`, all else from `dice`.
    pub(crate) fn write(&self, characters: u32, mut cast: Dice, mut dice: Dice) -> String {
        let people = self.people(&mut cast);
        let mut out = String::with_capacity(characters as usize * 4 + 64);
        let mut left = characters;
        let mut paragraph = dice.between(120, 220);
        while left > 0 {
            let sentence = self.sentences.choose(left, &mut dice);
            sentence.fill(&self.lists, &people, &mut dice, &mut out);
            left -= sentence.count;
            paragraph = paragraph.saturating_sub(sentence.count);
            if paragraph == 0 && left >= 60 {
                out.push_str("\n\n");
                paragraph = dice.between(120, 220);
            }
        }
        out
    }

    /// The main point of one step.
    pub(crate) fn point(&self, dice: &mut Dice) -> String {
        let people = self.people(dice);
        let mut out = String::new();
        self.points[dice.below(self.points.len())].fill(&self.lists, &people, dice, &mut out);
        out
    }

    fn people(&self, dice: &mut Dice) -> [&'static str; 4] {
        let names = self.lists.list(b'p');
        let first = dice.below(names.len());
        [0, 5, 11, 17].map(|offset| names[(first + offset) % names.len()])
    }

    #[cfg(test)]
    pub(crate) fn gaps(&self) -> Vec<u32> {
        self.sentences.gaps()
    }

    #[cfg(test)]
    pub(crate) fn lists(&self) -> &Lists {
        &self.lists
    }
}
